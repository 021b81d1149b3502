import Testing

/// What lies in shared memory is declared once, as a type with its words; nobody else counts bytes.
@Suite struct OffsetTests {
  @Test func offsetsStandInDeclarations() {
    let files = Repository.sources()
    #expect(files.count > 200)
    #expect(OffsetRules.violations(in: files) == [])
  }

  @Test(arguments: [
    "    buffer.storeBytes(of: 1, toByteOffset: 8, as: UInt64.self)",
    "    let sealed = buffer.load(fromByteOffset: 64 + index * 8, as: UInt64.self)",
    "    AtomicWord(control + slotOffset(slot) + word * 8).store(1)",
    "    let mode = AtomicWord(local.streams + stream &* 64)",
    "    return record.offset + 56",
    "    (stock(c) + 16).load(as: Int.self)",
    "    SharedWord(mapped + 8).store(1)",
    "    let first = layout.lockSlots + 16",
    "    fabric.write(&batch, from: ones + 1, byteCount: 8, to: there)",
    "    let page = frames + 64",
    "  var next: UInt64 { let word = AtomicWord(base + 8); return word.load() }",
  ])
  func aNumberElsewhereIsFound(line: String) {
    #expect(OffsetRules.violations(in: [file(line)]).count == 1, "\(line)")
  }

  @Test(arguments: [
    "  @inlinable var posted: AtomicWord { AtomicWord(base + 8) }",
    "    let bits = byteCount * 8",
    "    sleep(number + 8)",
    "    // base + 8",
  ])
  func aDeclarationAndWhatIsNoOffsetAreNot(line: String) {
    #expect(OffsetRules.violations(in: [file(line)]) == [], "\(line)")
  }

  private func file(_ line: String) -> SourceFile {
    SourceFile(path: "Sources/Protocol/Coherence/Release.swift", target: "Coherence", text: line)
  }

  @Test func everyFileOfDeclarationsIsThere() {
    let paths = Set(Repository.sources().map(\.path))
    for file in OffsetRules.declarations { #expect(paths.contains(file), "\(file)") }
  }
}

enum OffsetRules {
  /// Files that are nothing but declarations of what lies where.
  static let declarations: Set<String> = [
    "Sources/Protocol/Coherence/Memory/ControlLayout.swift",
    "Sources/Protocol/Coherence/Memory/ControlPlaces.swift",
    "Sources/Protocol/Coherence/Memory/ControlRecords.swift",
    "Sources/Protocol/Coherence/Memory/Workspace.swift",
  ]

  static func violations(in files: [SourceFile]) -> [String] {
    files.filter { !declarations.contains($0.path) }.flatMap { file in
      file.code.filter { isViolation($0.text) }.map {
        "\(file.path):\($0.number): a byte offset with a number in it, outside of a declaration: \($0.text)"
      }
    }
  }

  private static func isViolation(_ code: String) -> Bool {
    if isDeclaration(code) { return false }
    return named(code) || added(code) || scaled(code)
  }

  /// `var NAME: TYPE { TYPE(base + N) }`, the member of a record.
  private static func isDeclaration(_ code: String) -> Bool {
    guard code.contains("var "), code.hasSuffix(") }"), let type = code.parts(behind: ": ").first,
      let made = code.parts(behind: " { ").first
    else { return false }
    return made.hasPrefix(type.prefix { $0 != "<" && $0 != " " } + "(base + ")
  }

  /// A number where a byte offset is named.
  private static func named(_ code: String) -> Bool {
    code.parts(behind: "ByteOffset: ").contains { rest in
      let argument = rest.prefix { $0 != "," && $0 != ")" }
      return argument.split(whereSeparator: { !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "." })
        .contains { $0.first?.isNumber == true }
    }
  }

  /// `POINTER + N` where the pointer, or the offset, has a name that says so.
  private static func added(_ code: String) -> Bool {
    let words = code.split(separator: " ").map(String.init)
    for (index, word) in words.enumerated() where word == "+" || word == "&+" {
      guard index > 0, index + 1 < words.count, words[index + 1].first?.isNumber == true else { continue }
      let before = words[index - 1].lowercased()
      let names = [
        "base", "memory", "control", "offset", "pointer", "address", "buffer", "clock", "stock(c)", "mapped",
        "mapping", "frames", "ones", "slots", "ring", "records",
      ]
      if names.contains(where: { before.hasSuffix($0) }) { return true }
    }
    return false
  }

  /// `POINTER + INDEX * N`.
  private static func scaled(_ code: String) -> Bool {
    let strides = [" * 8", " &* 8", " * 16", " &* 16", " * 64", " &* 64"]
    guard
      strides.contains(where: { stride in
        code.parts(behind: stride).contains { $0.first.map { !$0.isNumber } ?? true }
      })
    else { return false }
    let pointers = ["base + ", "memory + ", "control + ", "local.", "AtomicWord(", "AtomicByte(", "offset("]
    return pointers.contains { code.contains($0) }
  }
}
