import ArgumentParser
import Bootstrap

/// What `merino run` was asked for.
struct JobPlan {
  struct Program {
    let nodeCount: Int
    /// The program, then its arguments.
    let words: [String]
  }

  /// A part of the job that is not of this machine, or need not be.
  struct Remote {
    /// `nil`: every address.
    var listenHost: String?
    var port: UInt16 = 0
    var secret: [UInt8]
    /// As the user wrote it; `nil` where the secret is in no file.
    var secretFile: String?
    /// Hosts in the order of their nodes; empty where others join by themselves.
    var hosts: [HostEntry] = []
    var agent: [String] = []
    var remoteMerino = ""
    /// What runs on the hosts.
    var words: [String] = []
  }

  /// A node that this launcher starts.
  struct LocalNode {
    let node: Int
    let words: [String]
  }

  let nodeCount: Int
  let localNodes: [LocalNode]
  var remote: Remote?
  var labelsOutput = false
  var fabric: String?
  var timeoutMilliseconds: Int?
  var joinTimeoutMilliseconds = JobEnvironment.defaultJoinTimeoutMilliseconds

  /// All on this machine.
  init(programs: [Program]) {
    let words = Self.wordsOfNodes(programs)
    nodeCount = words.count
    localNodes = words.enumerated().map { LocalNode(node: $0.offset, words: $0.element) }
  }

  /// The first nodes run `words` here, the rest come from elsewhere.
  init(nodeCount: Int, localCount: Int, words: [String], listening remote: Remote) {
    self.nodeCount = nodeCount
    localNodes = (0..<localCount).map { LocalNode(node: $0, words: words) }
    self.remote = remote
  }

  /// Each host has the nodes that follow those of the host before it.
  init(hosts: Remote) {
    var local: [LocalNode] = []
    var next = 0
    for host in hosts.hosts {
      if host.isHere {
        local += (next..<next + host.nodeCount).map { LocalNode(node: $0, words: hosts.words) }
      }
      next += host.nodeCount
    }
    nodeCount = next
    localNodes = local
    remote = local.count < next ? hosts : nil
  }

  /// Node by node: programs have consecutive nodes, in the order of the command line.
  static func wordsOfNodes(_ programs: [Program]) -> [[String]] {
    programs.flatMap { Array(repeating: $0.words, count: $0.nodeCount) }
  }

  /// Reads `-- PROGRAM ARGS… : -n M -- PROGRAM2 ARGS…`, whose first `-n` has been read before. A word
  /// ":" always separates, as for mpirun.
  static func programs(firstNodeCount: String, words: [String]) throws -> [Program] {
    let parts = words.split(separator: ":", omittingEmptySubsequences: false)
    var programs = [try program(nodeCount: firstNodeCount, words: parts.first ?? [])]
    for part in parts.dropFirst() {
      let (count, rest) = try takeNodeCount(part)
      programs.append(try program(nodeCount: count, words: rest))
    }
    let total = programs.reduce(0) { $0 + $1.nodeCount }
    guard total <= Job.maximumNodeCount else {
      throw ValidationError(
        "the programs together have \(total) nodes; a job has at most \(Job.maximumNodeCount).")
    }
    return programs
  }

  private static func takeNodeCount(_ part: ArraySlice<String>) throws -> (String, ArraySlice<String>) {
    guard let option = part.first else { throw ValidationError("there is no program after \":\".") }
    if option == "-n" || option == "--nodes", let count = part.dropFirst().first {
      return (count, part.dropFirst(2))
    }
    for prefix in ["--nodes=", "-n"] where option.hasPrefix(prefix) {
      return (String(option.dropFirst(prefix.count)), part.dropFirst())
    }
    throw ValidationError(
      "after \":\" comes \"\(option)\"; the next program begins with its number of nodes: -n N.")
  }

  private static func program(nodeCount text: String, words: ArraySlice<String>) throws -> Program {
    guard let count = Int(text), (1...Job.maximumNodeCount).contains(count) else {
      throw ValidationError(
        "-n is \"\(text)\"; the number of nodes must be a whole number from 1 to \(Job.maximumNodeCount).")
    }
    let command = words.first == "--" ? words.dropFirst() : words
    guard let program = command.first, !program.isEmpty else {
      throw ValidationError(
        "there is no program to run; write it after the options: -n \(count) -- PROGRAM ARGS...")
    }
    return Program(nodeCount: count, words: Array(command))
  }
}
