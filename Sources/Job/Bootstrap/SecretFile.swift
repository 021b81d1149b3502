import Glibc

/// The file whose bytes, every one of them, are what the two ends of a TCP rendezvous know in common.
package enum SecretFile {
  package static let shortestByteCount = 16
  private static let longestByteCount = 4096

  /// - Throws: `.badEnvironment` for a file that is no secret (others may read it, too short).
  package static func read(_ path: String) throws(BootstrapError) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
    guard file >= 0 else { throw .system("read the job's secret from \(path)", "open") }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw .system("read the job's secret from \(path)", "fstat") }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw bad(path, "is no regular file; name a file with the job's secret")
    }
    guard status.st_uid == geteuid() else {
      throw bad(path, "belongs to user \(status.st_uid), and this process runs as user \(geteuid())")
    }
    guard status.st_mode & 0o077 == 0 else {
      let mode = String(status.st_mode & 0o777, radix: 8)
      throw bad(path, "may be read or changed by others (mode \(mode)); chmod 600 \(path)")
    }
    var bytes = [UInt8](repeating: 0, count: longestByteCount + 1)
    let count = Glibc.read(file, &bytes, bytes.count)
    guard count >= 0 else { throw .system("read the job's secret from \(path)", "read") }
    guard (shortestByteCount...longestByteCount).contains(count) else {
      throw bad(
        path,
        "has \(count > longestByteCount ? "more than \(longestByteCount)" : "\(count)") bytes; a secret has "
          + "\(shortestByteCount) to \(longestByteCount)")
    }
    return Array(bytes[..<count])
  }

  private static func bad(_ path: String, _ what: String) -> BootstrapError {
    BootstrapError(.badEnvironment, "the secret file \(path) \(what).")
  }

  /// A new secret in hexadecimal digits, so that it can be carried by hand.
  package static func make() throws(BootstrapError) -> [UInt8] {
    let words = [try JobSecret.make(), try JobSecret.make()].flatMap { [$0.0, $0.1] }
    let digits = words.map { word in
      let text = String(word, radix: 16)
      return String(repeating: "0", count: 16 - text.count) + text
    }
    return Array((digits.joined() + "\n").utf8)
  }

  /// Puts a secret where there is none, for its owner only; false where there is a file already. It appears
  /// whole or not at all: who waits for it reads no half.
  package static func create(_ path: String, _ secret: [UInt8]) throws(BootstrapError) -> Bool {
    var template = Array((path + ".XXXXXX").utf8CString)
    let file = template.withUnsafeMutableBufferPointer { $0.baseAddress.map { mkstemp($0) } ?? -1 }
    guard file >= 0 else { throw .system("make the secret file \(path)", "mkstemp") }
    defer {
      close(file)
      unlink(template)
    }
    _ = fcntl(file, F_SETFD, FD_CLOEXEC)
    guard fchmod(file, 0o600) == 0, write(file, secret, secret.count) == secret.count else {
      throw .system("write the secret file \(path)", "write")
    }
    if link(template, path) == 0 { return true }
    guard errno == EEXIST else { throw .system("make the secret file \(path)", "link") }
    return false
  }
}
