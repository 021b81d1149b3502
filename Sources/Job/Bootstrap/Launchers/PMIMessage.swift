/// One message of PMI: a command and what comes with it, in either version's way of writing.
struct PMIMessage: Hashable {
  var command: String
  var fields: [String: String]

  init(_ command: String, _ fields: [String: String] = [:]) {
    self.command = command
    self.fields = fields
  }

  /// "cmd=get_result rc=0 value=…"; `nil` for what has no command.
  init?(line: String) {
    self.init(line.split(separator: " ").map(Substring.init))
  }

  /// "cmd=kvs-get-response;found=TRUE;value=…;"; a semicolon in a value is written twice.
  init?(frame: String) {
    var parts: [Substring] = []
    var part = ""
    var isAfterSemicolon = false
    for character in frame {
      if isAfterSemicolon {
        isAfterSemicolon = false
        if character == ";" {
          part.append(";")
          continue
        }
        parts.append(Substring(part))
        part = ""
      }
      if character == ";" { isAfterSemicolon = true } else { part.append(character) }
    }
    parts.append(Substring(part))
    self.init(parts.filter { !$0.isEmpty })
  }

  private init?(_ parts: [Substring]) {
    var fields: [String: String] = [:]
    for part in parts {
      guard let equals = part.firstIndex(of: "=") else { return nil }
      // In bounds: on either side of what was found.
      fields[String(part[..<equals])] = String(part[part.index(after: equals)...])
    }
    guard let command = fields.removeValue(forKey: "cmd") else { return nil }
    self.init(command, fields)
  }

  var isSuccess: Bool { fields["rc"] == nil || fields["rc"] == "0" }

  /// As PMI-1 has it, with its end.
  func line(_ order: [String]) -> String {
    (["cmd=\(command)"] + order.map { "\($0)=\(fields[$0] ?? "")" }).joined(separator: " ") + "\n"
  }

  /// As PMI-2 has it, with its length before it.
  func frame(_ order: [String]) -> String {
    let parts = ["cmd=\(command)"] + order.map { "\($0)=\(Self.escaped(fields[$0] ?? ""))" }
    let text = parts.map { $0 + ";" }.joined()
    let length = "\(text.utf8.count)"
    // In range: what this side says has a few hundred bytes.
    return String(repeating: " ", count: Self.lengthByteCount - length.utf8.count) + length + text
  }

  static let lengthByteCount = 6

  private static func escaped(_ value: String) -> String {
    value.split(separator: ";", omittingEmptySubsequences: false).joined(separator: ";;")
  }
}

/// A text in as many values as a launcher's store needs for it.
enum PMIValues {
  /// The first says how many there are.
  static func split(_ text: String, byteCount: Int) -> [String] {
    let room = max(byteCount &- 4, 1)
    let bytes = Array(text.utf8)
    let parts = stride(from: 0, to: max(bytes.count, 1), by: room).map {
      String(decoding: bytes.dropFirst($0).prefix(room), as: UTF8.self)
    }
    return parts.enumerated().map { $0 == 0 ? "\(parts.count).\($1)" : $1 }
  }

  /// How many there are, and the first without it.
  static func head(_ value: String) -> (count: Int, text: String)? {
    // In bounds: on either side of what was found.
    guard let dot = value.firstIndex(of: "."), let count = Int(value[..<dot]), (1...999).contains(count)
    else {
      return nil
    }
    // In bounds: behind the dot.
    return (count, String(value[value.index(after: dot)...]))
  }

  /// Names of one try to join: another one's values are still in the store.
  static func key(_ attempt: Int, _ index: Int) -> String { "merino-\(attempt)-\(index)" }
}
