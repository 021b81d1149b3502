import Testing

/// `a + b << c` is `a + (b << c)` in Swift and `(a + b) << c` in C, and `a | b + c` the other way round:
/// where both kinds of operators stand beside each other there are parentheses, so that nobody has to know.
@Suite struct PrecedenceTests {
  @Test func shiftsAndSumsAreNotMixed() {
    #expect(PrecedenceRules.violations(in: Repository.sources()) == [])
  }

  private func violations(_ line: String) -> [String] {
    PrecedenceRules.violations(in: [SourceFile(path: "Sources/Heap/A.swift", target: "Heap", text: line)])
  }

  @Test(arguments: [
    "let a = base + page << shift", "f(1 << 48 - 1)", "return (page >> shift &+ 1) << shift", "x = a | b + c",
    "g(a, (b - c) + d >> 4)", "let end = first + 1 << n, n = 2", "if a << 1 &- b < c { }",
  ])
  func aMixIsFound(_ line: String) { #expect(violations(line).count == 1) }

  @Test(arguments: [
    "let a = base + (page << shift)", "f((1 << 48) - 1, 1 << n)", "x = a << 8 | b << 4", "a << 1 < b + c",
    "let a = b + c, d = e << 1", "// a + b << c", "var x: [[Int: Array<Set<Int>>]] = a + b",
    "a ? b + c : d << 1",
    "a &<< -1", "x << 2 == y - 1 && z >> 1 != w + 1", "{ a + b } ; { c << d }",
  ])
  func whatIsClearIsNot(_ line: String) { #expect(violations(line) == []) }
}

enum PrecedenceRules {
  private static let shifts: Set<String> = ["<<", ">>", "&<<", "&>>"]
  private static let sums: Set<String> = ["+", "-", "&+", "&-"]
  private static let bits: Set<String> = ["|", "^"]
  /// What ends an operand on both sides of the operators above.
  private static let ends: Set<String> = [
    ",", ":", "?", "=", "==", "!=", "<", ">", "<=", ">=", "&&", "||", ";", "..<", "...", "??", "->", "return",
    "in",
  ]

  static func violations(in files: [SourceFile]) -> [String] {
    files.flatMap { file in
      file.code.filter { isMixed($0.text) }
        .map { "\(file.path):\($0.number): parentheses are missing between a shift, or an |, and a sum" }
    }
  }

  private static func isMixed(_ line: String) -> Bool {
    // The operators so far, for each parenthesis that is open.
    var open: [Set<String>] = [[]]
    let tokens = SwiftToken.tokens(of: line)
    for (token, next) in zip(tokens, tokens.dropFirst()) {
      switch token.text {
      case "(", "[", "{": open.append([])
      case ")", "]", "}":
        if open.count > 1 { open.removeLast() } else { open = [[]] }
      case let text where ends.contains(text): open[open.count - 1] = []
      case let text where token.spaceBefore && next.spaceBefore:
        open[open.count - 1].insert(text)
        let here = open[open.count - 1]
        if !here.isDisjoint(with: sums), !here.isDisjoint(with: shifts.union(bits)) { return true }
      default: break
      }
    }
    return false
  }
}
