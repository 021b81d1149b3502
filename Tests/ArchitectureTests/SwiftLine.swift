/// A line of Swift, taken apart: the insides of strings are left out, what is interpolated into them is code.
struct SwiftLine {
  var code = ""
  var comment = ""
  var isCommentOnly: Bool { !comment.isEmpty && code.allSatisfy(\.isWhitespace) }

  static func lines(of text: String) -> [SwiftLine] {
    var lines = [SwiftLine()]
    // Depth of parentheses of each interpolation that is open; strings and interpolations alternate.
    var depths: [Int] = []
    var isInString = false
    var isComment = false
    var previous: Character = "\n"
    for character in text {
      defer { previous = character }
      if character == "\n" {
        lines.append(SwiftLine())
        isComment = false
        continue
      }
      let last = lines.count - 1
      if isComment {
        lines[last].comment.append(character)
      } else if isInString {
        if previous == "\\" && character == "(" {
          isInString = false
          depths.append(0)
          lines[last].code.append("\"(")
        } else if character == "\"" && previous != "\\" {
          isInString = false
          lines[last].code.append(character)
        }
      } else if character == "/" && previous == "/" {
        lines[last].code.removeLast()
        isComment = true
        lines[last].comment = " "
      } else if character == "\"" {
        isInString = true
        lines[last].code.append(character)
      } else {
        lines[last].code.append(character)
        guard let depth = depths.last else { continue }
        if character == "(" { depths[depths.count - 1] = depth + 1 }
        if character == ")" {
          depths[depths.count - 1] = depth - 1
          if depth == 0 {
            depths.removeLast()
            isInString = true
            lines[last].code.append("\"")
          }
        }
      }
    }
    return lines
  }
}

/// A word, a number, an operator or a bracket.
struct SwiftToken {
  var text: String
  var spaceBefore: Bool

  var isWord: Bool { text.first.map { $0.isLetter || $0 == "_" || $0 == "$" || $0 == "`" } ?? false }
  var isNumber: Bool { text.first?.isNumber ?? false }
  /// A number, or a name of C's: POLLIN.
  var isConstant: Bool {
    isNumber || (text.first?.isUppercase ?? false) && text.count > 2 && !text.contains(where: \.isLowercase)
  }

  static func tokens(of code: String) -> [SwiftToken] {
    var tokens: [SwiftToken] = []
    var rest = code[...]
    var spaceBefore = true
    while let first = rest.first {
      if first.isWhitespace {
        spaceBefore = true
        rest = rest.dropFirst()
        continue
      }
      let part: Substring
      if first.isLetter || first.isNumber || "_$".contains(first) {
        part = rest.prefix { $0.isLetter || $0.isNumber || "_$".contains($0) }
      } else if isOperator(first) {
        part = operatorPart(rest)
      } else {
        part = rest.prefix(1)
      }
      tokens.append(SwiftToken(text: String(part), spaceBefore: spaceBefore))
      spaceBefore = false
      rest = rest.dropFirst(part.count)
    }
    return tokens
  }

  private static func isOperator(_ character: Character) -> Bool { "+-*/%<>=!&|^~?.".contains(character) }

  /// "!" and "?" behind a value stand for themselves; so does "." before a member.
  private static func operatorPart(_ rest: Substring) -> Substring {
    let part = rest.prefix(while: isOperator)
    if part.hasPrefix("!"), part != "!=", part != "!==" { return rest.prefix(1) }
    if part.hasPrefix("?"), part != "??" { return rest.prefix(1) }
    if part.hasPrefix("."), part != "..<", part != "..." { return rest.prefix(1) }
    return part
  }
}
