import ArgumentParser
import Bootstrap

/// An entry of `--hosts`.
struct HostEntry: Hashable {
  let name: String
  let nodeCount: Int

  /// Nodes of this host are the launcher's own children.
  var isHere: Bool { name == "localhost" }

  /// Reads "a:2,b,user@c:4,[fe80::1]:2".
  static func parse(_ text: String) throws -> [HostEntry] {
    let entries = try text.split(separator: ",", omittingEmptySubsequences: false).map(entry)
    let total = entries.reduce(0) { $0 + $1.nodeCount }
    guard total <= Job.maximumNodeCount else {
      throw ValidationError(
        "the hosts together have \(total) nodes; a job has at most \(Job.maximumNodeCount).")
    }
    return entries
  }

  private static func entry(_ text: Substring) throws -> HostEntry {
    guard !text.isEmpty else {
      throw ValidationError("--hosts has an empty entry; it is a list HOST:NODES,HOST:NODES,...")
    }
    var name = text
    var count: Substring = "1"
    if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
      name = text[text.index(after: text.startIndex)..<end]
      let rest = text[text.index(after: end)...]
      guard rest.isEmpty || rest.hasPrefix(":") else { throw bad(text, "has \"\(rest)\" behind the bracket") }
      if !rest.isEmpty { count = rest.dropFirst() }
    } else if let colon = text.firstIndex(of: ":") {
      name = text[..<colon]
      count = text[text.index(after: colon)...]
      if count.contains(":") {
        throw bad(text, "has more than one colon; an IPv6 address is written in brackets: [fe80::1]:2")
      }
    }
    guard let nodeCount = Int(count), (1...Job.maximumNodeCount).contains(nodeCount) else {
      throw bad(text, "wants \"\(count)\" nodes; it must be a whole number from 1 to \(Job.maximumNodeCount)")
    }
    guard !name.isEmpty, !name.hasPrefix("-"), !name.contains(where: \.isWhitespace) else {
      throw bad(text, "does not begin with the name of a host")
    }
    return HostEntry(name: String(name), nodeCount: nodeCount)
  }

  private static func bad(_ entry: Substring, _ what: String) -> ValidationError {
    ValidationError("the entry \"\(entry)\" of --hosts \(what).")
  }
}

/// Text for a POSIX shell.
enum Shell {
  /// One word, whatever is in it.
  static func quoted(_ word: String) -> String {
    "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}
