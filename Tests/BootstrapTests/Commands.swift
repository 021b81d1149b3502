import CBootstrap
import CPlatform
import Glibc
import Testing

/// Programs beside the one that runs the tests.
enum Tool {
  static let directory: String = {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let length = readlink("/proc/self/exe", &path, path.count)
    let text = String(decoding: path.prefix(max(length, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return text.split(separator: "/").dropLast().map { "/" + $0 }.joined()
  }()
  static var merino: String { directory + "/merino" }
  static var probe: String { directory + "/BootstrapProbe" }
}

/// A directory that is gone with the last reference; jobs keep their rendezvous in it, so that a test
/// sees what a job leaves behind.
final class Scratch {
  let path: String

  init() {
    var template = Array("/tmp/merino-test-XXXXXX".utf8CString)
    path = mkdtemp(&template).map { String(cString: $0) } ?? "/nonexistent"
  }

  deinit {
    for entry in entries { unlink(path + "/" + entry) }
    rmdir(path)
  }

  var entries: [String] {
    guard let directory = opendir(path) else { return ["(cannot be read)"] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { $0.prefix { $0 != 0 }.map { $0 } }
      let name = String(decoding: bytes, as: UTF8.self)
      if name != "." && name != ".." { names.append(name) }
    }
    return names
  }
}

struct Finished {
  /// 128 + the signal's number for a death by signal, -1 where the deadline passed.
  let code: Int32
  let output: String
  let errors: String
  let milliseconds: Int

  var lines: [String] { output.split(separator: "\n").map(String.init) }
}

/// A program that a test started, with its output in files.
final class RunningCommand {
  let process: pid_t
  let scratch: Scratch
  private let output: Int32
  private let errors: Int32
  private let startNanoseconds = cplatform_now_nanoseconds()
  private var status: Int32?

  init(
    _ words: [String], environment: [String: String] = [:], input: String = "",
    scratch: Scratch = Scratch()
  ) throws {
    self.scratch = scratch
    output = try Self.makeFile("")
    errors = try Self.makeFile("")
    let inputFile = try Self.makeFile(input)
    defer { close(inputFile) }
    var assignments = ["XDG_RUNTIME_DIR": scratch.path]
    assignments.merge(environment) { $1 }
    process = try Self.spawn(words, assignments, (inputFile, output, errors))
  }

  deinit {
    // Only where a test failed before it had waited.
    if status == nil {
      kill(process, SIGKILL)
      waitpid(process, nil, 0)
    }
    close(output)
    close(errors)
  }

  private static func makeFile(_ text: String) throws -> Int32 {
    var path = Array("/tmp/merino-test-XXXXXX".utf8CString)
    let file = mkstemp(&path)
    // Another test may start a program before the flag is set: an empty file more does it no harm.
    _ = fcntl(file, F_SETFD, FD_CLOEXEC)
    unlink(path)
    let bytes = Array(text.utf8)
    try #require(file >= 0 && write(file, bytes, bytes.count) == bytes.count && lseek(file, 0, SEEK_SET) == 0)
    return file
  }

  private static func spawn(
    _ words: [String], _ assignments: [String: String], _ files: (Int32, Int32, Int32)
  ) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (target, file) in [files.0, files.1, files.2].enumerated() {
      posix_spawn_file_actions_adddup2(&actions, file, Int32(target))
    }
    // The tests' threads block signals, which a program would inherit.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    // A process group of its own, with a parent outside it: what stops can be woken.
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
    var arguments = words.map { strdup($0) } + [nil]
    var variables =
      inherited(without: assignments) + assignments.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for text in arguments + variables { free(text) } }
    var process: pid_t = 0
    let error = posix_spawnp(&process, words[0], &actions, &attributes, &arguments, &variables)
    try #require(error == 0, "starting \(words[0]): \(String(cString: strerror(error)))")
    return process
  }

  private static func inherited(without assignments: [String: String]) -> [UnsafeMutablePointer<CChar>?] {
    var variables: [UnsafeMutablePointer<CChar>?] = []
    var entry = cbootstrap_environment()
    while let text = entry?.pointee {
      let name = String(cString: text).prefix { $0 != "=" }
      let isSet = assignments[String(name)] != nil || name.hasPrefix("MERINO_")
      if !isSet { variables.append(strdup(text)) }
      entry = entry?.advanced(by: 1)
    }
    return variables
  }

  var outputSoFar: String { Self.read(output) }
  var errorsSoFar: String { Self.read(errors) }

  private static func read(_ file: Int32) -> String {
    var text: [UInt8] = []
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = pread(file, &bytes, bytes.count, off_t(text.count))
      guard count > 0 else { return String(decoding: text, as: UTF8.self) }
      text += bytes[..<count]
    }
  }

  func wait(withinSeconds limit: Int = 20) -> Finished {
    let isOver = eventually(withinSeconds: limit) {
      var status: Int32 = 0
      guard waitpid(process, &status, WNOHANG) == process else { return false }
      self.status = status
      return true
    }
    if !isOver { Issue.record("process \(process) did not end within \(limit) s") }
    let status = status ?? -1
    let code = !isOver ? -1 : status & 0x7F != 0 ? 128 + (status & 0x7F) : (status >> 8) & 0xFF
    let milliseconds = Int((cplatform_now_nanoseconds() - startNanoseconds) / 1_000_000)
    return Finished(
      code: code, output: Self.read(output), errors: Self.read(errors), milliseconds: milliseconds)
  }
}

/// Looks until it holds, or the time is up: then false.
func eventually(withinSeconds limit: Int = 10, _ condition: () -> Bool) -> Bool {
  let start = cplatform_now_nanoseconds()
  while !condition() {
    if cplatform_now_nanoseconds() - start > UInt64(limit) * 1_000_000_000 { return condition() }
    cplatform_sleep_nanoseconds(2_000_000)
  }
  return true
}

/// Whether a process runs: a zombie does not.
func runs(_ process: pid_t) -> Bool {
  let file = open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
  guard file >= 0 else { return false }
  defer { close(file) }
  var bytes = [UInt8](repeating: 0, count: 512)
  let count = read(file, &bytes, bytes.count)
  guard count > 0 else { return false }
  return !String(decoding: bytes[..<count], as: UTF8.self).contains(") Z ")
}

/// The numbers that follow `word` in the lines that begin with it.
func numbers(after word: String, in text: String) -> [pid_t] {
  text.split(separator: "\n").filter { $0.hasPrefix(word + " ") }
    .compactMap { pid_t($0.dropFirst(word.count + 1).prefix { $0.isNumber }) }
}

/// `merino run` to its end.
func merinoRun(
  _ words: String..., environment: [String: String] = [:], input: String = ""
) throws -> Finished {
  let command = try RunningCommand(
    [Tool.merino, "run"] + words, environment: environment, input: input)
  let finished = command.wait()
  #expect(command.scratch.entries == [], "the rendezvous directory is left")
  return finished
}
