import Bootstrap
import CBootstrap
import Glibc

/// What `merino run --hosts` gives an outpost by its standard input: the secret, and what to run. One line of
/// hexadecimal fields, so that no shell, terminal or remote command on the way can change any of it, and
/// nothing of it shows in a list of processes. What follows the line is the input of node 0.
struct JobFrame {
  typealias Bytes = [UInt8]

  var secret: Bytes
  var workingDirectory: Bytes
  var labelsOutput: Bool
  /// "NAME=value" each.
  var variables: [Bytes]
  /// The program, then its arguments.
  var words: [Bytes]

  private static let head = "merino-job"

  func line() -> Bytes {
    let fields =
      [secret, workingDirectory, [labelsOutput ? 1 : 0], Array("\(variables.count)".utf8)] + variables + words
    return Array(([Self.head] + fields.map(Self.hexadecimal)).joined(separator: " ").utf8) + [
      UInt8(ascii: "\n")
    ]
  }

  init?(line: Bytes) {
    let fields = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
    guard fields.count > 5, String(decoding: fields[0], as: UTF8.self) == Self.head else { return nil }
    let values = fields.dropFirst().compactMap { Self.bytes(String(decoding: $0, as: UTF8.self)) }
    guard values.count == fields.count - 1, let count = Int(String(decoding: values[3], as: UTF8.self)),
      count >= 0, count < values.count - 4
    else { return nil }
    secret = values[0]
    workingDirectory = values[1]
    labelsOutput = values[2] == [1]
    variables = Array(values[4..<4 + count])
    words = Array(values[(4 + count)...])
  }

  /// Of this process: its directory and its MERINO_ variables, but for those that give a node its place.
  init(secret: Bytes, labelsOutput: Bool, words: [String]) {
    self.secret = secret
    self.labelsOutput = labelsOutput
    self.words = words.map { Array($0.utf8) }
    let directory = getcwd(nil, 0)
    workingDirectory = directory.map(Self.bytes(of:)) ?? Array("/".utf8)
    free(directory)
    variables = []
    let left = JobEnvironment.placeNames.map { Array("\($0)=".utf8) }
    var entry = cbootstrap_environment()
    while let text = entry?.pointee {
      let variable = Self.bytes(of: text)
      if variable.starts(with: Array("MERINO_".utf8)), !left.contains(where: variable.starts(with:)) {
        variables.append(variable)
      }
      entry = entry?.advanced(by: 1)
    }
  }

  /// Reads one from standard input, and not a byte of what follows it.
  static func read() -> JobFrame? {
    var line: Bytes = []
    var byte: UInt8 = 0
    while true {
      let count = Glibc.read(STDIN_FILENO, &byte, 1)
      if count < 0 && errno == EINTR { continue }
      guard count == 1 else { return nil }
      if byte == UInt8(ascii: "\n") { return JobFrame(line: line) }
      if byte != UInt8(ascii: "\r") { line.append(byte) }
      guard line.count > head.utf8.count || Array(head.utf8).starts(with: line) else { return nil }
    }
  }

  private static func bytes(of text: UnsafePointer<CChar>) -> Bytes {
    (0..<strlen(text)).map { UInt8(bitPattern: text[$0]) }
  }

  private static func bytes(of text: UnsafeMutablePointer<CChar>) -> Bytes {
    bytes(of: UnsafePointer(text))
  }

  private static func hexadecimal(_ bytes: Bytes) -> String {
    let digits = Array("0123456789abcdef".utf8)
    let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return String(decoding: text, as: UTF8.self)
  }

  private static func bytes(_ hexadecimal: String) -> Bytes? {
    let digits = hexadecimal.utf8.map { Int(String(UnicodeScalar($0)), radix: 16) }
    guard digits.count % 2 == 0, !digits.contains(nil) else { return nil }
    let values = digits.compactMap { $0 }
    return stride(from: 0, to: values.count, by: 2).map { UInt8(values[$0] * 16 + values[$0 + 1]) }
  }
}
