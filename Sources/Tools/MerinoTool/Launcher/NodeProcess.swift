import Bootstrap
import CBootstrap
import Glibc

/// A node's process, here or on another host.
final class NodeProcess {
  let node: Int
  /// A child of this launcher.
  let isHere: Bool
  /// On its host; 0 until it is known.
  var process: pid_t = 0
  /// As the user wrote it, or as it calls itself.
  var programName = ""
  /// Of a node that is not here, once it is known.
  var hostName: String?
  /// Who started it on another host; `nil` where nobody of ours did.
  var outpost: Outpost?
  /// Once it has ended.
  var status: ExitStatus?

  init(node: Int, isHere: Bool) {
    self.node = node
    self.isHere = isHere
  }

  /// "node 3 (process 4711, ./jacobi)", "node 3 (process 4711 on b, ./jacobi)"
  var title: String {
    let place = hostName.map { " on \($0)" } ?? ""
    return process > 0 ? "node \(node) (process \(process)\(place), \(programName))" : "node \(node)\(place)"
  }
}

/// What all programs start with.
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

  /// Standard input, output and error; -1 for the launcher's own.
  typealias Files = (input: Int32, output: Int32, error: Int32)

  /// - Parameters:
  ///   - who: as a failure names it: "node 3".
  ///   - isApart: in a process group of its own, which the terminal's signals do not reach.
  func start(
    _ who: String, words: [String], environment: borrowing ProgramEnvironment, files: Files,
    isApart: Bool = false
  ) throws(Failure) -> pid_t {
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
        program.standard_input = files.input
        program.standard_output = files.output
        program.standard_error = files.error
        program.signal_mask = signals.maskBefore
        program.broken_pipe_action = signals.brokenPipeActionBefore
        program.open_files = openFiles
        program.own_process_group = isApart ? 1 : 0
        return cbootstrap_spawn(&program, &process)
      }
    }
    guard error == 0 else { throw Self.failure(who, words[0], error) }
    return process
  }

  /// A node, whose output goes through `output` where there is one.
  func startNode(
    _ node: Int, words: [String], environment: borrowing ProgramEnvironment, output: LabelledOutput?
  ) throws -> pid_t {
    let input = node == 0 ? -1 : noInput
    guard let output else {
      return try start("node \(node)", words: words, environment: environment, files: (input, -1, -1))
    }
    let (out, error) = (try Pipe.make(), try Pipe.make())
    defer {
      close(out.writing)
      close(error.writing)
    }
    output.add(node: node, output: out.reading, error: error.reading)
    return try start(
      "node \(node)", words: words, environment: environment, files: (input, out.writing, error.writing))
  }

  private static func failure(_ who: String, _ program: String, _ error: Int32) -> Failure {
    let reason = String(cString: strerror(error))
    guard error == ENOENT else {
      return Failure(
        sentence: "\(who) could not be started: running \"\(program)\" failed: \(reason) (errno \(error)).",
        exitCode: ToolExit.cannotExecute)
    }
    let place = program.contains("/") ? "" : " in PATH"
    return Failure(
      sentence: "\(who) could not be started: there is no program \"\(program)\"\(place), or the "
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
