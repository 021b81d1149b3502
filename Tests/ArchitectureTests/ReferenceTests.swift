import Testing

/// Comments and documents speak of files, functions, checks and sections that are there.
@Suite struct ReferenceTests {
  static let folders = ["Sources", "Tests", "Examples", "ci", "docs", "packaging"]
  static let paths =
    folders.flatMap { Repository.files(below: $0) } + [
      "README.md", "CONTRIBUTING.md", "Package.swift", "Makefile",
    ]

  static let code = paths.filter { path in
    [".swift", ".c", ".h", ".hpp", ".cpp"].contains { path.hasSuffix($0) }
  }

  @Test func filesThatCommentsNameAreThere() {
    let known = ReferenceRules.endings(of: Self.paths)
    let isComplete = known.contains("Coherence/Fetch.swift") && known.contains("ci/lib/tally.sh")
    #expect(isComplete, "files were not found below \(Repository.root)")
    let scripts = Self.paths.filter {
      ($0.hasPrefix("ci/") && !$0.contains(".md")) || $0.hasSuffix(".sh") || $0.hasSuffix(".table")
    }
    for path in Self.code + scripts {
      #expect(ReferenceRules.missingFiles(in: Repository.read(path) ?? "", path, known: known) == [])
    }
  }

  /// Names of other people's things that comments speak of.
  static let foreign: Set<Substring> = [
    "assertionFailure", "get_median", "ib_write_lat", "ibv_devinfo", "print_report_lat", "seqcount_latch",
  ]

  @Test func namesInCodeFontAreThere() {
    var words = Self.foreign
    for path in Self.code {
      words.formUnion(ReferenceRules.words(of: Repository.read(path) ?? "", path))
    }
    #expect(words.contains("compareAndSwap"))
    for file in Repository.sources() {
      #expect(ReferenceRules.missingNames(in: file.text, file.path, words: words) == [])
    }
    // "The names in `code font` are its files and functions."
    for (index, line) in (Repository.read("docs/protocol.md") ?? "").split(separator: "\n").enumerated() {
      let missing = ReferenceRules.names(inCodeFontOf: line).filter { !words.contains($0) }
      #expect(missing == [], "docs/protocol.md, line \(index + 1) without empty ones")
    }
  }

  @Test func noCommentIsThereTwiceNorAlone() {
    for path in Self.code {
      let text = Repository.read(path) ?? ""
      #expect(ReferenceRules.doubledComments(in: text, path) == [])
      if path.hasSuffix(".swift") { #expect(ReferenceRules.orphans(in: text, path) == []) }
    }
  }

  /// The table of CONTRIBUTING has each check, and no other.
  @Test func everyCheckIsInTheTable() throws {
    let scripts = Repository.files(below: "ci").filter { $0.hasPrefix("ci/check-") }
    let text = try #require(Repository.read("CONTRIBUTING.md"))
    let listed = text.split(separator: "\n").filter { $0.hasPrefix("| `ci/check-") }
      .map { $0.dropFirst(3).prefix { $0 != "`" } }
    #expect(listed.map(String.init).sorted() == scripts.sorted())
  }

  /// "section 7" is one of docs/protocol.md, which the comment names.
  @Test func sectionsAreThere() throws {
    let text = try #require(Repository.read("docs/protocol.md"))
    let sections = text.split(separator: "\n").compactMap { line -> Substring? in
      line.hasPrefix("## ") ? line.dropFirst(3).prefix { $0.isNumber } : nil
    }
    #expect(sections == sections.indices.map { "\($0 + 1)" })
    for path in Self.code {
      #expect(ReferenceRules.wrongSections(in: Repository.read(path) ?? "", path, sections: sections) == [])
    }
  }
}

/// The rules are shown able to fail.
@Suite struct ReferenceSelfTests {
  static let known = ReferenceRules.endings(of: [
    "Sources/Heap/Slab.swift", "docs/protocol.md", "ci/lib/tally.sh",
  ])

  @Test(arguments: [
    "/// See SlabSlots.swift.", "let a = 1  // as in Slab.c", "/* ---- Semaphores.c */",
    " * docs/design.md says",
    "// Node/Slab.swift", "# ci/lib/count.sh",
  ])
  func aFileThatIsNotThereIsFound(line: String) {
    #expect(ReferenceRules.missingFiles(in: "\n" + line, "A.swift", known: Self.known).count == 1)
  }

  @Test(arguments: [
    "/// See Heap/Slab.swift, docs/protocol.md.", "// protocol.md: Slab.swift", "let name = \"No.swift\"",
    "// *.swift of ../other.swift, <stdio.h>", "# tally.sh", "#include \"none.h\"",
  ])
  func whatIsThereIsNot(line: String) {
    #expect(ReferenceRules.missingFiles(in: line, "A.swift", known: Self.known) == [])
  }

  @Test func aNameThatIsNotThereIsFound() {
    let words = Set(
      ReferenceRules.words(of: "func take(page: Int) {} // gone", "Sources/Heap/Slab+Slots.swift"))
    #expect(words.isSuperset(of: ["Slab", "take", "page"]) && !words.contains("gone"))
    let found = ReferenceRules.missingNames(
      in: "/// As `take(page:)` of `Slab`, not `gone` nor `Slab.left`; `a + b` is code.", "A.swift",
      words: words)
    #expect(found == ["A.swift:1: nothing has the name gone", "A.swift:1: nothing has the name left"])
  }

  @Test func aDoubledCommentIsFound() {
    let line = "    // Never nil: a view does not lie at 0."
    #expect(ReferenceRules.doubledComments(in: line + "\n" + line + " (As in `f`.)", "A.swift").count == 1)
    #expect(ReferenceRules.doubledComments(in: line + "\n    f()\n" + line, "A.swift") == [])
    #expect(ReferenceRules.doubledComments(in: "// a b c\n// a b c", "A.swift") == [])
  }

  @Test func aCommentOfNothingIsFound() {
    #expect(ReferenceRules.orphans(in: "  /// A.\n  // MARK: B\n", "A.swift").count == 1)
    #expect(ReferenceRules.orphans(in: "/// A.\n\nlet a = 1", "A.swift").count == 1)
    #expect(ReferenceRules.orphans(in: "/// A.\n/// B.\nlet a = 1\n// C.\n\n", "A.swift") == [])
  }

  @Test func sectionsAreRead() {
    func wrong(_ text: String) -> [String] {
      ReferenceRules.wrongSections(in: text, "A.swift", sections: ["1", "2", "3"])
    }
    #expect(wrong("// docs/protocol.md, sections 1 and 3\n// docs/protocol.md,\n// section 2: 7 nodes") == [])
    #expect(
      wrong("// docs/protocol.md, section 2,\n// sections 3 and 4") == ["A.swift:1: there is no section 4"])
    #expect(wrong("f()  // (design, section 2)") == ["A.swift:1: section 2 of what?"])
  }
}
