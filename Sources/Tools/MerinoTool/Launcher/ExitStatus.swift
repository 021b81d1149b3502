import Glibc

/// How a process ended, as waitpid(2) says it.
struct ExitStatus {
  let raw: Int32
  init(raw: Int32) { self.raw = raw }

  /// `nil` where it exited by itself.
  var signal: Int32? { raw & 0x7F == 0 ? nil : raw & 0x7F }
  var dumpedCore: Bool { raw & 0x80 != 0 }
  /// As a shell has it: 128 + the signal's number for a death by signal.
  var code: Int32 { signal.map(ToolExit.signalled) ?? (raw >> 8) & 0xFF }

  /// "was ended by SIGSEGV (Segmentation fault), with a core dumped", "exited with code 3".
  var clause: String {
    guard let signal else { return "exited with code \(code)" }
    let core = dumpedCore ? ", with a core dumped" : ""
    return "was ended by \(SignalName.of(signal)) (\(String(cString: strsignal(signal))))\(core)"
  }
}

enum SignalName {
  private static let names: [Int32: String] = [
    SIGHUP: "SIGHUP", SIGINT: "SIGINT", SIGQUIT: "SIGQUIT", SIGILL: "SIGILL", SIGTRAP: "SIGTRAP",
    SIGABRT: "SIGABRT", SIGBUS: "SIGBUS", SIGFPE: "SIGFPE", SIGKILL: "SIGKILL", SIGUSR1: "SIGUSR1",
    SIGSEGV: "SIGSEGV", SIGUSR2: "SIGUSR2", SIGPIPE: "SIGPIPE", SIGALRM: "SIGALRM", SIGTERM: "SIGTERM",
    SIGXCPU: "SIGXCPU", SIGXFSZ: "SIGXFSZ", SIGSYS: "SIGSYS",
  ]
  static func of(_ number: Int32) -> String { names[number] ?? "signal \(number)" }
}
