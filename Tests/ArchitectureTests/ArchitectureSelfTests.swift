import Testing

/// The checks are shown able to fail, on sources made up for it.
@Suite struct ArchitectureSelfTests {
  func file(_ target: String, _ text: String) -> SourceFile {
    SourceFile(path: "Sources/\(target)/A.swift", target: target, text: text)
  }

  @Test func anImportUpwardsIsFound() {
    let found = Layers.violations(in: [file("Fabric", "import Platform\nimport Coherence\n")])
    #expect(found == ["Sources/Fabric/A.swift: Fabric must not import Coherence"])
  }

  @Test(arguments: [
    ("Platform", "Fabric"), ("Coherence", "HostFabric"), ("Coherence", "Node"), ("Bootstrap", "Coherence"),
    ("Heap", "Coherence"), ("HostFabric", "VerbsFabric"), ("VerbsFabric", "HostFabric"),
    ("Verbs", "Platform"),
    ("Heap", "Merino"), ("Merino", "MerinoC"), ("Node", "Bootstrap"), ("Merino", "Doctor"),
    ("Doctor", "MerinoTool"),
    ("Simulation", "Node"), ("Platform", "Nowhere"),
  ])
  func anArrowThatIsNotThereIsFound(from: String, to: String) {
    #expect(Layers.violations(in: [file(from, "import \(to)")]).count == 1)
  }

  @Test func theManifestIsRead() {
    let text = """
      .target(name: "A", dependencies: ["B"], path: "Sources/Low/A"), .testTarget(name: "T"),
      .target(
        name: "C", path: "Sources/High/C"),
      """
    #expect(Layers.targets(text) == [.init(name: "A", floor: "Low"), .init(name: "C", floor: "High")])
  }

  @Test(arguments: [
    "@testable import Merino", "@_exported public import Merino", "internal import Merino",
    "import struct Merino.Segment", "  import   Merino // why", "public import class Merino.Cluster;",
  ])
  func everyFormOfImportIsSeen(line: String) {
    #expect(file("Coherence", line).imports == ["Merino"])
    #expect(Layers.violations(in: [file("Coherence", line)]).count == 1)
  }

  @Test func foundationIsForToolsOnly() {
    #expect(Layers.violations(in: [file("Merino", "import Foundation")]).count == 1)
    #expect(Layers.violations(in: [file("Heap", "import FoundationEssentials")]).count == 1)
    #expect(Layers.violations(in: [file("MerinoTool", "import Foundation")]) == [])
    #expect(Layers.violations(in: [file("Merino", "import ArgumentParser")]).count == 1)
  }

  @Test func anArrowThatIsNotDeclaredIsFound() {
    let manifest = """
      .target(name: "Fabric", dependencies: ["Platform", argumentParser]),
      .target(
        name: "Heap",
        dependencies: [
          "Platform"
        ]), .target(name: "Verbs"),
      """
    #expect(Layers.undeclared(["Fabric": ["Platform"], "Heap": ["Platform"], "Verbs": []], manifest) == [])
    #expect(
      Layers.undeclared(["Heap": ["Platform", "Fabric"], "Verbs": ["Heap"], "Node": ["Verbs"]], manifest) == [
        "Heap may import Fabric, and does not depend on it",
        "Node may import Verbs, and does not depend on it",
        "Verbs may import Heap, and does not depend on it",
      ])
  }

  @Test func anUnknownTargetIsFound() {
    #expect(Layers.violations(in: [file("Stranger", "")]).count == 1)
  }

  @Test func commentsAreNotImports() {
    #expect(file("Fabric", "// import Coherence\n/// import Merino").imports == [])
  }

  @Test func printingIsFound() {
    #expect(LibraryRules.violations(in: [file("Heap", "func f() { print(1) }")]).count == 1)
    #expect(LibraryRules.violations(in: [file("Heap", "  exit(1)")]).count == 1)
    #expect(LibraryRules.violations(in: [file("Heap", "_exit(1); a.print(2) // print(3)")]) == [])
    #expect(LibraryRules.violations(in: [file("Heap", "let text = \"print(it)\"")]) == [])
    #expect(LibraryRules.violations(in: [file("MerinoTool", "print(1)")]) == [])
  }

  @Test func aLauncherThatJoinsIsFound() {
    #expect(LauncherRules.violations(in: [file("MerinoTool", "import Benchmarks")]).count == 1)
    #expect(LauncherRules.violations(in: [file("MerinoTool", "let it = try Cluster.join()")]).count == 1)
    #expect(LauncherRules.violations(in: [file("Doctor", "let it: Cluster")]).count == 1)
    #expect(LauncherRules.violations(in: [file("MerinoTool", "// a Cluster\nimport Merino")]) == [])
    #expect(LauncherRules.violations(in: [file("Benchmarks", "let it = try Cluster.join()")]) == [])
  }

  private func peerFile(_ name: String, _ text: String) -> SourceFile {
    SourceFile(path: "Sources/Job/Bootstrap/\(name).swift", target: "Bootstrap", text: text)
  }

  @Test(arguments: [
    "{ [weak self, unowned guest] in }", "let first = bytes.first!", "let text = try! read()", "x as! Int",
    "value.unsafelyUnwrapped", "precondition(count > 0)", "fatalError()", "assert(count > 0)",
    "names[key]!.count",
    "call()!", "say(\"a \\(bytes.first!) b\")", "var guest: Guest!",
  ])
  func whatEndsTheProcessIsFound(line: String) {
    #expect(PeerRules.violations(in: [peerFile("EventLoop", line)]).count == 1)
    // A reason does not help, and elsewhere it is no matter.
    #expect(PeerRules.violations(in: [peerFile("EventLoop", "// In bounds: sure.\n" + line)]).count == 1)
    #expect(PeerRules.violations(in: [file("Heap", line)]) == [])
  }

  @Test(arguments: [
    "let byte = message[6]", "let rest = bytes[2...]", "return a + count", "index -= 1",
    "let size = count * 8",
    "let port = UInt16(number)", "let end = Int(count)", "return UInt8($0)", "for i in first..<last {}",
    "guests.removeFirst()", "say(\"node \\(nodes[node])\")", "return (bytes?[0], 1)",
  ])
  func whatEndsItOutOfRangeIsFound(line: String) {
    let found = PeerRules.violations(in: [peerFile("Handshake", line)])
    #expect(!found.isEmpty, "\(line)")
    #expect(PeerRules.violations(in: [peerFile("Handshake", "// In bounds: looked at.\n" + line)]) == [])
    #expect(PeerRules.violations(in: [peerFile("Handshake", line + "  // In range: looked at.")]) == [])
    // Another statement's reason is none.
    #expect(!PeerRules.violations(in: [peerFile("Handshake", "// In bounds: it.\nf()\n\n" + line)]).isEmpty)
    #expect(PeerRules.violations(in: [peerFile("EventLoop", line)]) == [])
  }

  @Test(arguments: [
    "guard a != b, !isDone else { return !x }", "let n = Int(clamping: count) &+ 1",
    "f(\"a\" + name + \"b!\")",
    "// bytes.first! and bytes[0]", "let a: [UInt8] = [1]", "slots[node].state = .left",
    "func f<T>(_ x: [T]) -> T?",
    "let text = \"bytes[0]!\"", "(0..<count).contains(node)", "let limit = 16 << 20", "a ?? b", "x?.y", "-1",
    "let word = 1 << shift", "var rest = bytes[...]", "UInt8(ascii: \"a\")",
  ])
  func whatEndsNothingPasses(line: String) {
    #expect(PeerRules.violations(in: [peerFile("Handshake", line)]) == [])
  }
}
