import Glibc

/// The private directory (mode 0700) in which a job's socket lies.
package struct RendezvousDirectory {
  package let path: String
  package var socketPath: String { path + "/rendezvous" }
  /// For an outpost whose secret came by its standard input.
  package var secretPath: String { path + "/secret" }

  /// Under `$XDG_RUNTIME_DIR`, which is the user's own; else, or where the path would be too
  /// long for a socket, under `/tmp`.
  package static func create() throws(BootstrapError) -> RendezvousDirectory {
    // sockaddr_un holds 108 bytes, "/merino-XXXXXX/rendezvous" takes 26 of them.
    if let raw = getenv("XDG_RUNTIME_DIR"), raw.pointee == UInt8(ascii: "/"), strlen(raw) <= 80,
      let path = makeDirectory(under: String(cString: raw))
    {
      return RendezvousDirectory(path: path)
    }
    guard let path = makeDirectory(under: "/tmp") else {
      throw .system(
        "make a private directory for the rendezvous under /tmp", "mkdtemp",
        advice: "set XDG_RUNTIME_DIR to a directory that this user may write to")
    }
    return RendezvousDirectory(path: path)
  }

  private static func makeDirectory(under parent: String) -> String? {
    var template = Array((parent + "/merino-XXXXXX").utf8CString)
    return template.withUnsafeMutableBufferPointer { buffer in
      // In bounds: mkdtemp changes the last six characters of the zero-terminated template.
      buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) }
    }
  }

  /// May be called again.
  package func remove() {
    unlink(socketPath)
    unlink(secretPath)
    rmdir(path)
  }
}
