import Glibc

/// A Swift source file of the repository: the target that it belongs to, and its text.
struct SourceFile {
  /// Relative to the repository.
  let path: String
  /// The folder below `Sources` that holds the target, by its last component: "Coherence".
  let target: String
  let text: String

  /// The modules that the file imports, attributes and `import struct M.T` included.
  var imports: [String] {
    text.split(separator: "\n").compactMap { line in
      var words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })[...]
      let modifiers: Set<Substring> = ["public", "internal", "package", "private", "fileprivate"]
      while let first = words.first, first.hasPrefix("@") || modifiers.contains(first) {
        words = words.dropFirst()
      }
      guard words.first == "import", words.count >= 2 else { return nil }
      let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
      words = words.dropFirst()
      if let kind = words.first, kinds.contains(kind), words.count >= 2 { words = words.dropFirst() }
      return words.first.map { String($0.prefix(while: { $0 != "." && $0 != ";" })) }
    }
  }

  /// The lines of code with their numbers: comments and the insides of plain string literals left out.
  var code: [(number: Int, text: String)] {
    text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().map { index, line in
      (index + 1, Self.withoutCommentsAndStrings(line))
    }
  }

  private static func withoutCommentsAndStrings(_ line: Substring) -> String {
    var result = ""
    var inString = false
    var previous: Character = " "
    for character in line {
      if character == "\"" && previous != "\\" { inString.toggle() }
      if !inString && character == "/" && previous == "/" {
        result.removeLast()
        break
      }
      if !inString { result.append(character) }
      previous = character
    }
    return result
  }
}

/// The repository that this test was compiled in.
enum Repository {
  static let root: String = {
    var components = #filePath.split(separator: "/").dropLast(3)
    if components.isEmpty { components = ["."] }
    return "/" + components.joined(separator: "/")
  }()

  /// The text of a file, nil where it cannot be read.
  static func read(_ path: String) -> String? {
    guard let file = fopen(root + "/" + path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = fread(&buffer, 1, buffer.count, file)
      if count == 0 { break }
      bytes += buffer[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Paths of all files below a folder, sorted, relative to the repository.
  static func files(below folder: String) -> [String] {
    guard let directory = opendir(root + "/" + folder) else { return [] }
    defer { closedir(directory) }
    var found: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix(while: { $0 != 0 }), as: UTF8.self)
      }
      if name.hasPrefix(".") { continue }
      let path = folder + "/" + name
      if entry.pointee.d_type == UInt8(DT_DIR) {
        found += files(below: path)
      } else {
        found.append(path)
      }
    }
    return found.sorted()
  }

  /// Every Swift file below `Sources`, with its target. A target is a folder that `Package.swift`
  /// knows; folders inside a target belong to it.
  static func sources() -> [SourceFile] {
    files(below: "Sources").filter { $0.hasSuffix(".swift") }.map { path in
      let folders = path.split(separator: "/").dropFirst().dropLast().map(String.init)
      let target = folders.last(where: { Layers.target($0) != nil }) ?? folders.first ?? ""
      return SourceFile(path: path, target: target, text: read(path) ?? "")
    }
  }
}
