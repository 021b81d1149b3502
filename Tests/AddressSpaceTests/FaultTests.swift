import Glibc
import Platform
import Testing

/// Each scenario is a process of its own (Tests/FaultProbe), where an application in C faults.
@Suite(.timeLimit(.minutes(5)))
struct FaultTests {
  @Test(arguments: [
    "served", "readonly", "not-curable", "threads", "late", "chained", "forked", "interrupted",
    "ignored-sent", "info", "plain", "nodefer", "returning", "restored",
    "limit-respected", "limit-survived",
  ])
  func ends(_ scenario: String) throws {
    let end = try Probe.run(scenario)
    #expect(end == .exited(0))
  }

  /// Ends as if Merino were not there: by SIGSEGV.
  @Test(arguments: ["non-canonical", "sent", "ignored-fault", "resethand"])
  func dies(_ scenario: String) throws {
    let end = try Probe.run(scenario)
    #expect(end == .signalled(SIGSEGV, core: false))
  }

  /// A null dereference leaves a core, where the system writes cores into the working directory.
  @Test func nullDereferenceDumpsCore() throws {
    var name = Array("/tmp/merino-core-XXXXXX".utf8CString)
    guard mkdtemp(&name) != nil else { throw SystemError(attempt: "make a directory", call: "mkdtemp") }
    let directory = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { removeDirectory(directory) }
    let end = try Probe.run("null", [directory])
    #expect(end == .signalled(SIGSEGV, core: coresAreWrittenHere()))
  }

  /// Handlers may run on small stacks. Without lazy binding, which takes 3 KiB of stack for itself.
  @Test func littleStackIsUsed() throws {
    let end = try Probe.run("alternate-stack", environment: ["LD_BIND_NOW=1"])
    #expect(end == .exited(0))
  }

  @Test func anUnknownScenarioIsNotSilent() throws {
    #expect(try Probe.run("no-such-scenario") == .exited(64))
  }

  private func coresAreWrittenHere() -> Bool {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    var pattern = [UInt8](repeating: 0, count: 256)
    let descriptor = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC)
    defer { close(descriptor) }
    let count = read(descriptor, &pattern, pattern.count)
    let text = pattern.prefix(max(count, 0))
    return limit.rlim_max > 1 << 20 && count > 1 && !text.contains(UInt8(ascii: "/"))
      && text[0] != UInt8(ascii: "|")
  }

  private func removeDirectory(_ path: String) {
    if let stream = opendir(path) {
      while let entry = readdir(stream) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) {
          String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        unlink(path + "/" + name)
      }
      closedir(stream)
    }
    rmdir(path)
  }
}

/// Runs a scenario of FaultProbe and says how it ended.
enum Probe {
  enum End: Equatable {
    case exited(Int32)
    case signalled(Int32, core: Bool)
    case late
  }

  static func run(
    _ scenario: String, _ arguments: [String] = [], environment: [String] = []
  ) throws -> End {
    let program = try directoryOfThisProgram() + "/FaultProbe"
    var environment = environment + ["SWIFT_BACKTRACE=enable=no"]
    if let path = getenv("LD_LIBRARY_PATH") { environment.append("LD_LIBRARY_PATH=" + String(cString: path)) }
    var argv: [UnsafeMutablePointer<CChar>?] = ([program, scenario] + arguments).map { strdup($0) } + [nil]
    var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
    defer { for pointer in argv + envp { free(pointer) } }
    var child = pid_t()
    let code = posix_spawn(&child, program, nil, nil, &argv, &envp)
    guard code == 0 else { throw SystemError(attempt: "start \(program)", call: "posix_spawn", code: code) }
    return wait(for: child, deadlineSeconds: 30)
  }

  private static func wait(for child: pid_t, deadlineSeconds: Int) -> End {
    var status: Int32 = 0
    for _ in 0..<deadlineSeconds * 200 {
      if waitpid(child, &status, WNOHANG) == child { return end(status) }
      usleep(5_000)
    }
    kill(child, SIGKILL)
    waitpid(child, &status, 0)
    return .late
  }

  /// The macros of <sys/wait.h> do not import.
  private static func end(_ status: Int32) -> End {
    let signal = status & 0x7F
    return signal == 0 ? .exited(status >> 8 & 0xFF) : .signalled(signal, core: status & 0x80 != 0)
  }

  /// The test bundle lies beside the programs it needs.
  private static func directoryOfThisProgram() throws -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    guard count > 0 else { throw SystemError(attempt: "find this program", call: "readlink") }
    let path = String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
  }
}
