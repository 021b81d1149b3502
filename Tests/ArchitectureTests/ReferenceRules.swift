/// What words say of the repository, as far as a program can compare the two.
enum ReferenceRules {
  // MARK: Files

  /// Ends of the names that are files of ours, or look like it.
  static let extensions: Set<Substring> = ["swift", "md", "h", "hpp", "c", "cpp", "sh", "py", "f90"]
  /// Files of other people's and of the guest's, and what stands for many.
  static let foreign: Set<Substring> = ["pmix_common.h", "enter.sh", "stage_NAME.sh"]

  /// The files that the comments of `text` name and that none of `known` is, with their lines. A comment may
  /// leave out folders, from the left; `known` are paths.
  static func missingFiles(in text: String, _ path: String, known: Set<Substring>) -> [String] {
    comments(of: text, path).flatMap { line in
      fileNames(in: line.text).filter { !known.contains($0) && !foreign.contains($0) }
        .map { "\(path):\(line.number): there is no \($0)" }
    }
  }

  /// Every path, and every end of it: of a/b/c also b/c and c.
  static func endings(of paths: [String]) -> Set<Substring> {
    var endings: Set<Substring> = []
    for path in paths {
      var rest = path[...]
      endings.insert(rest)
      while let slash = rest.firstIndex(of: "/") {
        rest = rest[rest.index(after: slash)...]
        endings.insert(rest)
      }
    }
    return endings
  }

  private static func fileNames(in text: Substring) -> [Substring] {
    text.split { !($0.isLetter || $0.isNumber || "_+-./*<>".contains($0)) }.compactMap { word in
      let name = word.last == "." ? word.dropLast() : word
      guard let dot = name.lastIndex(of: "."), extensions.contains(name[name.index(after: dot)...]) else {
        return nil
      }
      let stem = name[..<dot]
      // ".swift" alone, "*.h", "<merino.h>", "../Programs/check.h", "e.g." and the like are no names from
      // here.
      guard let first = stem.first, first.isLetter, !stem.contains("*"), !stem.contains("<") else {
        return nil
      }
      return name
    }
  }

  // MARK: Names

  /// The names in `code font` in the comments of `text` that are no word of `words`, with their lines: an
  /// identifier, or the parts of `a.b` and `f(x:)`.
  static func missingNames(in text: String, _ path: String, words: Set<Substring>) -> [String] {
    comments(of: text, path).flatMap { line in
      names(inCodeFontOf: line.text).filter { !words.contains($0) }
        .map { "\(path):\(line.number): nothing has the name \($0)" }
    }
  }

  static func names(inCodeFontOf text: Substring) -> [Substring] {
    let parts = text.split(separator: "`", omittingEmptySubsequences: false)
    return stride(from: 1, to: parts.count - 1, by: 2).flatMap { index -> [Substring] in
      let code = parts[index]
      guard code.allSatisfy({ $0.isLetter || $0.isNumber || "_.:()".contains($0) }) else { return [] }
      return code.split { !($0.isLetter || $0.isNumber || $0 == "_") }
        .filter { $0.first?.isNumber == false }
    }
  }

  /// The words of the code of a file, its name included; comments are left out.
  static func words(of text: String, _ path: String) -> [Substring] {
    let name = path.split(separator: "/").last ?? ""
    let code = text.split(separator: "\n").map { line -> Substring in
      guard let start = commentStart(of: line) else { return line }
      return line[..<start]
    }
    return ([name.prefix { $0 != "." && $0 != "+" }] + code).flatMap { line in
      line.split { !($0.isLetter || $0.isNumber || $0 == "_") }
    }
  }

  /// Sections that comments name, and that docs/protocol.md has not; or that are of no document.
  static func wrongSections(in text: String, _ path: String, sections: [Substring]) -> [String] {
    var blocks: [(first: Int, last: Int, text: String)] = []
    for line in comments(of: text, path) {
      if let block = blocks.last, block.last == line.number - 1 {
        blocks[blocks.count - 1] = (block.first, line.number, block.text + " " + line.text)
      } else {
        blocks.append((line.number, line.number, String(line.text)))
      }
    }
    return blocks.flatMap { block in
      Self.sections(in: block.text[...]).filter {
        !sections.contains($0) || !block.text.contains("protocol.md")
      }
      .map {
        "\(path):\(block.first): "
          + (sections.contains($0) ? "section \($0) of what?" : "there is no section \($0)")
      }
    }
  }

  /// The numbers behind "section" and "sections": "section 7", "sections 4 and 5".
  private static func sections(in comment: Substring) -> [Substring] {
    var found: [Substring] = []
    var isList = false
    for part in comment.split(separator: " ") {
      let word = part.prefix { $0.isLetter || $0.isNumber || "/(\"".contains($0) }.drop { $0 == "(" }
      if word == "section" || word == "sections" {
        isList = true
      } else if isList, !word.isEmpty, word.allSatisfy(\.isNumber) {
        found.append(word)
        // "section 7: three nodes"
        isList = part.last == "," || part.endIndex == word.endIndex
      } else if word != "and", !part.hasPrefix("//") {
        isList = false
      }
    }
    return found
  }

  // MARK: Comments

  /// Two lines of comment, one behind the other, that begin alike: one was meant to take the other's place.
  static func doubledComments(in text: String, _ path: String) -> [String] {
    let lines = comments(of: text, path)
    return zip(lines, lines.dropFirst()).filter { first, second in
      let words = first.text.split(separator: " ")
      return second.number == first.number + 1 && words.count > 4
        && second.text.split(separator: " ").prefix(words.count) == words[...]
    }.map { "\(path):\($1.number): says what the line before says" }
  }

  /// Comments that document a declaration, `///`, and have none behind them.
  static func orphans(in text: String, _ path: String) -> [String] {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.drop { $0 == " " } }
    return zip(lines, lines.dropFirst()).enumerated().filter { _, pair in
      let (line, next) = pair
      return line.hasPrefix("///") && (next.isEmpty || next.hasPrefix("}") || next.hasPrefix("//"))
        && !next.hasPrefix("///")
    }.map { "\(path):\($0.offset + 1): documents nothing" }
  }

  /// The comments, with the numbers of their lines; in C, lines in the middle of one begin with " *".
  static func comments(of text: String, _ path: String) -> [(number: Int, text: Substring)] {
    text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().compactMap { index, line in
      commentStart(of: line).map { (index + 1, line[$0...]) }
    }
  }

  private static func commentStart(of line: Substring) -> Substring.Index? {
    let trimmed = line.drop { $0 == " " }
    if trimmed.hasPrefix("* ") || trimmed.hasPrefix("# ") { return trimmed.startIndex }
    var inString = false
    var previous: Character = " "
    for index in line.indices {
      let character = line[index]
      if character == "\"" && previous != "\\" { inString.toggle() }
      if !inString, previous == "/", character == "/" || character == "*" { return line.index(before: index) }
      previous = character
    }
    return nil
  }
}
