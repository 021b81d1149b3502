import Testing

/// The walks of docs/architecture.md lead through the sources as they are, and its floors are those of
/// `Layers`.
@Suite struct WalkTests {
  private let text = Repository.read("docs/architecture.md") ?? ""

  @Test func theFloorsAreThoseOfTheTree() {
    let rows = text.split(separator: "\n").compactMap { line -> (String, Set<String>)? in
      let cells = line.split(separator: "|", omittingEmptySubsequences: false).map {
        $0.filter { $0 != "`" && $0 != " " }
      }
      guard cells.count == 5, Layers.floors[cells[1]] != nil else { return nil }
      return (cells[1], Set(cells[2].split(separator: ",").map(String.init)))
    }
    #expect(Dictionary(rows) { first, _ in first } == Layers.floors)
  }

  @Test func noMoreThanTwentyWords() throws {
    let table = try #require(text.parts(behind: "## Words").first?.parts(behind: "|---|---|\n").first)
    let words = table.split(separator: "\n", omittingEmptySubsequences: false).prefix { $0.hasPrefix("| ") }
    #expect(words.count > 10 && words.count <= 20, "\(words.count)")
  }

  @Test func theWalksLeadThroughTheSources() {
    let walks = Walk.all(text)
    #expect(walks.count == 7)
    for walk in walks { #expect(walk.faults == [], "\(walk.title)") }
  }

  /// From the handler's entry to the doorbell at most 12 files and one climb, back to the instruction at most
  /// 16 files.
  @Test func theWayToTheWireIsShort() throws {
    let walks = Walk.all(text)
    let there = try #require(walks.first { $0.title.hasPrefix("A page fault") })
    let back = try #require(walks.first { $0.title.hasPrefix("And back") })
    #expect(
      there.files.count <= 12 && there.climbs <= 1, "\(there.files.count) files, \(there.climbs) climbs")
    #expect(there.files.union(back.files).count <= 16, "\(there.files.union(back.files).count) files")
    for file in there.files.union(back.files) where file.hasSuffix(".swift") {
      let lines = Repository.read(file)?.split(separator: "\n", omittingEmptySubsequences: false).count ?? 0
      #expect(lines <= 250, "\(file) has \(lines) lines")
    }
  }

  @Test func aWrongWalkIsFound() {
    func faults(_ lines: String) -> [String] { Walk(title: "A walk", lines: lines).faults }
    let entry = "1. `Sources/Merino/Merino/FaultEntry.swift:faultEntry`\n"
    #expect(faults(entry + "2. `Sources/Process/Node/Faults/FaultService.swift:handleFault`\n") == [])
    #expect(faults(entry + "2. `Sources/Process/Node/Faults/FaultService.swift:serveFault`\n").count == 1)
    #expect(faults(entry + "2. `Sources/Process/Node/Faults/Nothing.swift:handleFault`\n").count == 1)
    #expect(faults("1. `Sources/Merino/Merino/FaultEntry.swift:nothing`\n").count == 1)
  }
}

/// A numbered list of `file:function`.
struct Walk {
  struct Step {
    let file: String
    let function: String
  }

  let title: String
  let steps: [Step]

  static func all(_ text: String) -> [Walk] {
    text.parts(behind: "\n### ").map { part in
      Walk(title: String(part.prefix { $0 != "\n" }), lines: String(part))
    }
  }

  init(title: String, lines: String) {
    self.title = title
    steps = lines.split(separator: "\n").compactMap { line in
      guard line.first?.isNumber == true, let place = line.parts(behind: "`").first else { return nil }
      let halves = place.split(separator: ":")
      guard halves.count == 2 else { return nil }
      return Step(file: String(halves[0]), function: String(halves[1].prefix { $0 != "`" }))
    }
  }

  var files: Set<String> { Set(steps.map(\.file)) }

  /// Steps from a floor to one that stands on it.
  var climbs: Int {
    zip(steps, steps.dropFirst()).count { from, to in
      let (low, high) = (floor(of: from), floor(of: to))
      return low != high && Layers.floors[high]?.contains(low) == true
    }
  }

  private func floor(of step: Step) -> String {
    step.file.split(separator: "/").dropFirst().first.map(String.init) ?? ""
  }

  var faults: [String] {
    steps.indices.compactMap { index in
      let step = steps[index]
      guard let text = Repository.read(step.file) else { return "\(step.file) is not there" }
      let bodies = Self.bodies(of: step.function, in: text)
      if bodies.isEmpty { return "\(step.file) has no function \(step.function)" }
      guard index + 1 < steps.count else { return nil }
      let next = steps[index + 1].function
      if bodies.contains(where: { $0.contains(next + "(") }) { return nil }
      return "\(step.function) in \(step.file) does not name \(next)"
    }
  }

  /// The text of each function of this name, without its declaration: to the line that closes it, at its own
  /// depth.
  static func bodies(of function: String, in text: String) -> [String] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    return lines.indices.filter { declares(function, lines[$0]) }.map { start in
      let depth = lines[start].prefix { $0 == " " }
      var body = lines[start].split(separator: "{").dropFirst().joined()
      if lines[start].hasSuffix("}") { return body }
      for line in lines[(start + 1)...] {
        body += line + "\n"
        if line.hasPrefix(depth + "}") { break }
      }
      return body
    }
  }

  private static func declares(_ function: String, _ line: Substring) -> Bool {
    let isSwift = line.contains("func \(function)(") || line.contains("func \(function)<")
    let isC = line.contains(" \(function)(") && line.contains("static") && !line.hasPrefix(" ")
    return isSwift || isC
  }
}
