import Testing

/// Page words change by the transitions of `PageLife.swift` only: a plain store to one would undo what
/// another thread does meanwhile, and a word that is put together elsewhere has passed by the table.
@Suite struct PageWordTests {
  @Test func nothingElseStoresToAPageWord() {
    let files = Repository.sources()
    #expect(files.contains { $0.path.hasSuffix("Coherence/PageLife.swift") })
    #expect(files.contains { $0.path.hasSuffix("/PageTable.swift") })
    #expect(PageWordRules.violations(in: files) == [])
  }

  func file(_ name: String, _ text: String) -> SourceFile {
    SourceFile(path: "Sources/Protocol/Coherence/\(name)", target: "Coherence", text: text)
  }

  @Test(arguments: [
    ("Retire.swift", "    AtomicWord(pages.pageWords + page * 8).store(0)"),
    ("Retire.swift", "    let cell = PageCell(somewhere)"),
    ("PageLife.swift", "  func store(_ new: PageWord) { word.store(new.raw) }"),
    ("PageLife.swift", "  func set(_ new: PageWord) { word.storeRelaxed(new.raw) }"),
    ("Fetch.swift", "    let word = PageWord(old.raw & ~PageWord.lock)"),
    ("Fetch.swift", "    _ = pages.cell(page).exchange(old, for: new)"),
    ("PageTable.swift", "  func set(_ page: Int) { pageWords[page].store(0) }"),
  ])
  func aPlainStoreIsFound(name: String, line: String) {
    #expect(PageWordRules.violations(in: [file(name, line)]).count == 1)
  }

  @Test func whatIsAllowedIsNotFound() {
    #expect(PageWordRules.violations(in: [file("Fetch.swift", "    // not pageWords")]) == [])
    #expect(
      PageWordRules.violations(in: [file("PageTable.swift", PageWordRules.allowed.first!.value[0])]) == [])
  }
}

/// Where the memory of page words may be named, line by line.
enum PageWordRules {
  static let allowed: [String: [String]] = [
    "PageTable.swift": [
      "@usableFromInline let pageWords: WordTable<W, PageKind>",
      "pageWords = words(c.pageCount)",
      "@inlinable public func cell(_ page: Page) -> PageCell<W> { PageCell(pageWords[page]) }",
      // PageTable.forgetWords, behind the closed gate.
      "pageWords.zero(pages)",
    ]
  ]

  static func violations(in files: [SourceFile]) -> [String] {
    files.filter { $0.target == "Coherence" || $0.target == "Node" || $0.target == "Merino" }.flatMap {
      file in
      let name = String(file.path.split(separator: "/").last ?? "")
      return file.code.filter { names($0.text, in: name) }.map {
        "\(file.path):\($0.number): page words change by the transitions of PageLife.swift only, not by: "
          + "\($0.text)"
      }
    }
  }

  private static func names(_ line: String, in file: String) -> Bool {
    if file == "PageLife.swift" { return line.contains("word.store") || line.contains("word.exchange(") }
    guard
      line.contains("pageWords") || line.contains("PageCell(") || line.contains("PageWord(")
        || line.contains("cell(page).exchange")
    else { return false }
    let trimmed = String(line.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    return allowed[file]?.contains(trimmed) != true
  }
}
