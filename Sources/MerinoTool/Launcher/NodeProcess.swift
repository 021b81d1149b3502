import Bootstrap
import CBootstrap
import Glibc

/// A node's process, as the launcher started it.
final class NodeProcess {
  let node: Int
  let process: pid_t
  /// As the user wrote it.
  let programName: String
  /// Once it has ended.
  var status: ExitStatus?

  init(node: Int, process: pid_t, programName: String) {
    self.node = node
    self.process = process
    self.programName = programName
  }

  /// "node 3 (process 4711, ./jacobi)"
  var title: String { "node \(node) (process \(process), \(programName))" }
}

/// What all nodes start with.
struct NodeSpawner {
  let signals: LauncherSignals
  /// RLIMIT_NOFILE as it was before the launcher raised it for itself.
  let openFiles: rlimit
  /// Open on /dev/null, for every node but the first.
  let noInput: Int32

  struct Failure: Error {
    let sentence: String
    let exitCode: Int32
  }

  /// - Parameters:
  ///   - output: descriptors for standard output and error, -1 for the launcher's own.
  func start(
    node: Int, words: [String], environment: borrowing ProgramEnvironment, output: (Int32, Int32)
  ) throws(Failure) -> NodeProcess {
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for text in arguments { free(text) } }
    var variables = environment.variables
    var process: pid_t = 0
    // The arrays live until the spawn is over: exec has copied them, or failed, when it returns.
    let error = arguments.withUnsafeMutableBufferPointer { arguments in
      variables.withUnsafeMutableBufferPointer { variables in
        var program = cbootstrap_program_t()
        program.program = UnsafePointer(arguments[0])
        program.arguments = UnsafePointer(arguments.baseAddress)
        program.environment = UnsafePointer(variables.baseAddress)
        program.standard_input = node == 0 ? -1 : noInput
        program.standard_output = output.0
        program.standard_error = output.1
        program.signal_mask = signals.maskBefore
        program.broken_pipe_action = signals.brokenPipeActionBefore
        program.open_files = openFiles
        return cbootstrap_spawn(&program, &process)
      }
    }
    guard error == 0 else { throw Self.failure(node, words[0], error) }
    return NodeProcess(node: node, process: process, programName: words[0])
  }

  private static func failure(_ node: Int, _ program: String, _ error: Int32) -> Failure {
    let reason = String(cString: strerror(error))
    guard error == ENOENT else {
      return Failure(
        sentence:
          "node \(node) could not be started: running \"\(program)\" failed: \(reason) (errno \(error)).",
        exitCode: ToolExit.cannotExecute)
    }
    let place = program.contains("/") ? "" : " in PATH"
    return Failure(
      sentence: "node \(node) could not be started: there is no program \"\(program)\"\(place), or the "
        + "interpreter that it names is missing.",
      exitCode: ToolExit.noSuchProgram)
  }
}

/// Variables for a program: this process's, byte for byte, with some set anew.
struct ProgramEnvironment: ~Copyable {
  /// Ends with nil, as exec wants it.
  private(set) var variables: [UnsafeMutablePointer<CChar>?] = []
  private var owned: [UnsafeMutablePointer<CChar>?] = []

  init(setting assignments: [String: String]) {
    let prefixes = assignments.keys.map { "\($0)=" }
    // `environ` ends with a null pointer; nothing changes it, the launcher having one thread.
    var entry = cbootstrap_environment()
    while let text = entry?.pointee {
      if !prefixes.contains(where: { strncmp(text, $0, strlen($0)) == 0 }) { variables.append(text) }
      entry = entry?.advanced(by: 1)
    }
    owned = assignments.map { strdup("\($0.key)=\($0.value)") }
    variables += owned + [nil]
  }

  deinit {
    for text in owned { free(text) }
  }
}
