import Testing

/// What is declared is named somewhere else, too. What users of the package import is for them to name.
@Suite struct DeadMemberTests {
  static let forUsers: Set<String> = ["Merino", "MerinoC", "Verbs"]
  /// Called by others who know the name: argument-parser, and Swift itself.
  static let known: Set<Substring> = [
    "makeIterator", "validate", "MerinoCommand", "MerinoSimulate",
  ]

  @Test func everyMemberIsNamed() {
    var counts: [Substring: Int] = [:]
    for path in ReferenceTests.code {
      for word in ReferenceRules.words(of: Repository.read(path) ?? "", "") { counts[word, default: 0] += 1 }
    }
    let files = Repository.sources().filter { !Self.forUsers.contains($0.target) }
    #expect(DeadMembers.violations(in: files, counts, known: Self.known) == [])
  }

  @Test func aMemberThatNobodyNamesIsFound() {
    let file = SourceFile(
      path: "Sources/Heap/A.swift", target: "Heap",
      text:
        "  @inlinable public var left: Int { right }\n  var right = 1 // left\n  func left(_: Int)\n let "
        + "dead = 1"
    )
    var counts: [Substring: Int] = [:]
    for word in ReferenceRules.words(of: file.text, "") { counts[word, default: 0] += 1 }
    // Of two of one name neither is dead as long as one of them is used: so much a count of words can say.
    #expect(
      DeadMembers.violations(in: [file], counts, known: []) == [
        "Sources/Heap/A.swift:1: nothing names left", "Sources/Heap/A.swift:3: nothing names left",
        "Sources/Heap/A.swift:4: nothing names dead",
      ])
    #expect(DeadMembers.violations(in: [file], counts, known: ["left", "dead"]) == [])
  }
}

enum DeadMembers {
  static let introducers: Set<Substring> = [
    "func", "var", "let", "struct", "enum", "class", "protocol", "typealias",
  ]

  /// The declarations in `files` of names that occur no more often, by `counts`, than they are declared.
  static func violations(
    in files: [SourceFile], _ counts: [Substring: Int], known: Set<Substring>
  ) -> [String] {
    var declarations: [Substring: [String]] = [:]
    for file in files {
      for line in file.code {
        let words = line.text.split { !($0.isLetter || $0.isNumber || $0 == "_") }
        for (word, name) in zip(words, words.dropFirst()) where introducers.contains(word) && name != "_" {
          declarations[name, default: []].append("\(file.path):\(line.number): nothing names \(name)")
        }
      }
    }
    return declarations.filter { name, places in
      (counts[name] ?? 0) <= places.count && !known.contains(name) && !introducers.contains(name)
    }.flatMap(\.value).sorted()
  }
}
