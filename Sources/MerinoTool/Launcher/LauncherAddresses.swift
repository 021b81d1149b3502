import Bootstrap
import CBootstrap
import Glibc

/// Where other hosts may find this launcher.
enum LauncherAddresses {
  /// In the order in which they are worth trying: whoever answers must prove to be this launcher.
  static func all(listenHost: String?, port: UInt16) -> [HostAndPort] {
    if let listenHost { return [HostAndPort(host: listenHost, port: port)] }
    var text = [CChar](repeating: 0, count: 4096)
    let isKnown = cbootstrap_local_addresses(&text, text.count) == 0
    let lines =
      isKnown ? String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : ""
    let numeric = lines.split(separator: "\n").map(String.init)
    return (numeric + [Member.currentHostName(), "127.0.0.1", "::1"]).map {
      HostAndPort(host: $0, port: port)
    }
  }

  /// A job in the background does not take the terminal's input.
  static var mayReadInput: Bool { isatty(STDIN_FILENO) == 0 || tcgetpgrp(STDIN_FILENO) == getpgrp() }
}
