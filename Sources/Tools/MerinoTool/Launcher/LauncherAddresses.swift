import Bootstrap
import Glibc

/// Where other hosts may find this launcher.
enum LauncherAddresses {
  /// In the order in which they are worth trying: whoever answers must prove to be this launcher.
  static func all(listenHost: String?, port: UInt16) -> [HostAndPort] {
    if let listenHost { return [HostAndPort(host: listenHost, port: port)] }
    return HostAndPort.ofThisHost(port: port)
  }

  /// A job in the background does not take the terminal's input.
  static var mayReadInput: Bool { isatty(STDIN_FILENO) == 0 || tcgetpgrp(STDIN_FILENO) == getpgrp() }
}
