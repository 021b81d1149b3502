import Testing

/// What is counted reaches whoever asks: a member that nobody fills would be 0 for ever, and no other test sees that.
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
}
