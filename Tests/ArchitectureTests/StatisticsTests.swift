import Testing

/// What is counted reaches whoever asks: a member that nobody fills would be 0 for ever, and no other test
/// sees that.
@Suite struct StatisticsTests {
  /// The names behind `mark` in each line of `text` that begins so.
  private func names(_ text: String, behind mark: String) -> [String] {
    text.split(separator: "\n").compactMap { line in
      let code = line.drop { $0 == " " }
      guard code.hasPrefix(mark) else { return nil }
      return String(code.dropFirst(mark.count).prefix { $0.isLetter || $0.isNumber || $0 == "_" })
    }
  }

  @Test func everyMemberOfTheSwiftStructureIsFilled() throws {
    let text = try #require(Repository.read("Sources/Merino/Merino/Statistics.swift"))
    let members = names(text, behind: "public var ").filter { text.contains("public var \($0): UInt64 = 0") }
    #expect(members.count > 15)
    #expect(Set(members) == Set(names(text, behind: "s.")))
  }

  @Test func everyMemberOfTheStructureInCIsFilled() throws {
    let header = try #require(Repository.read("Sources/Merino/CMerino/include/merino.h"))
    let structure = try #require(header.parts(behind: "typedef struct merino_stats {").first)
    let members = names(String(structure.prefix { $0 != "}" }), behind: "uint64_t ")
    let text = try #require(Repository.read("Sources/Merino/MerinoC/CollectiveCalls.swift"))
    #expect(members.count > 15)
    #expect(Set(members) == Set(names(text, behind: "filled.")))
  }
  /// The table of docs/architecture.md: what one number is called in C and Fortran, in Swift, and by the
  /// engine.
  @Test func theTableOfNamesIsThatOfTheSources() throws {
    let header = try #require(Repository.read("Sources/Merino/CMerino/include/merino.h"))
    let structure = try #require(header.parts(behind: "typedef struct merino_stats {").first)
    let members = names(String(structure.prefix { $0 != "}" }), behind: "uint64_t ")
    let swift = try #require(Repository.read("Sources/Merino/Merino/Statistics.swift"))
    let counters = try #require(
      Repository.read("Sources/Protocol/Coherence/Memory/LocalState.swift")?.parts(behind: "enum Counter:")
        .first)
    let document = try #require(Repository.read("docs/architecture.md"))
    let section = try #require(document.parts(behind: "\n## Counters\n").first)
    let table = try #require(section.parts(behind: "|---|---|---|\n").first)
    let rows = table.split(separator: "\n", omittingEmptySubsequences: false).prefix { $0.hasPrefix("|") }.map
    {
      // "" in front of the first bar and behind the last one.
      $0.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast().map(codes)
    }

    #expect(rows.flatMap { $0[0] } == members.map { $0[...] })
    for row in rows where !row[0].isEmpty {
      #expect(row[1].map(withUnderscores) == row[0].map(String.init), "the same words")
      let filled = swift.split(separator: "\n").filter { $0.contains(" s.\(row[1][0]) = ") }
      let counted = filled.flatMap { $0.parts(behind: "count(.").map { $0.prefix { $0 != ")" } } }
      #expect(row[2].prefix(1) == counted[...], "\(row[1][0])")
    }
    let cases = String(counters.prefix { $0 != "}" }).split(separator: "\n").filter { $0.contains("case ") }
      .flatMap { $0.split { !($0.isLetter || $0.isNumber) }.dropFirst() }
    #expect(cases.count > 20)
    #expect(Set(rows.flatMap { $0[2] }) == Set(cases))
  }

  /// What stands between backticks, without the parentheses of a function.
  private func codes(_ cell: Substring) -> [Substring] {
    let parts = cell.split(separator: "`", omittingEmptySubsequences: false)
    return stride(from: 1, to: parts.count, by: 2).map { parts[$0].prefix { $0 != "(" } }
  }

  /// "readFaults" is "read_faults".
  private func withUnderscores(_ name: Substring) -> String {
    name.reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
  }
}
