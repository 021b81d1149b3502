import ArgumentParser
import Bootstrap
import Glibc

/// What the options of `merino run` come to: one of the ways to start a job.
enum RunRequest {
  case launch(JobPlan)
  /// Nodes of a job whose launcher is on another host.
  case outpost(OutpostPlan)
}

extension RunCommand {
  /// Mistakes that the words alone show.
  func checkOptions() throws {
    let ways = [("--hosts", hosts), ("--listen", listen), ("--join", join)].filter { $0.1 != nil }.map(\.0)
    guard ways.count <= 1 else {
      throw ValidationError(
        "\(ways[0]) and \(ways[1]) exclude each other: a launcher starts the other hosts (--hosts) or waits "
          + "for them (--listen), and the other side joins (--join).")
    }
    let way = ways.first ?? ""
    try allow("--launch-agent", launchAgent != nil, only: ["--hosts"], way)
    try allow("--remote-merino", remoteMerino != nil, only: ["--hosts"], way)
    try allow("--listen-address", listenAddress != nil, only: ["--hosts"], way)
    try allow("--secret-file", secretFile != nil, only: ["--listen", "--join"], way)
    try allow("--local-nodes", localNodes != nil, only: ["--listen"], way)
    try allow("--outpost", outpost != nil, only: ["--join"], way)
    if way == "--hosts", nodeCount != nil {
      throw ValidationError("--hosts says how many nodes each host has (a:2,b:2); leave out -n.")
    }
    if way != "--hosts", nodeCount == nil {
      throw ValidationError("say how many nodes there are: -n N (--nodes N), or name hosts with --hosts.")
    }
    if way == "--listen" || way == "--join", secretFile == nil {
      throw ValidationError(
        "\(way) needs --secret-file FILE: the same bytes on both sides, at least 16 of them.")
    }
    if way == "--join", timeout != nil || joinTimeout != nil || fabric != nil {
      throw ValidationError(
        "--timeout, --join-timeout and --fabric are the launcher's: give them to --listen.")
    }
  }

  private func allow(_ option: String, _ isGiven: Bool, only ways: [String], _ way: String) throws {
    guard isGiven, !ways.contains(way) else { return }
    throw ValidationError("\(option) goes with \(ways.joined(separator: " or ")) only.")
  }

  func request() throws -> RunRequest {
    do {
      if let join { return .outpost(try outpostPlan(join)) }
      var plan = try jobPlan()
      plan.labelsOutput = label
      plan.fabric = fabric
      plan.timeoutMilliseconds = try timeout.map {
        (text) throws(BootstrapError) in
        try JobEnvironment.milliseconds(seconds: text, setting: "--timeout")
      }
      plan.joinTimeoutMilliseconds =
        if let joinTimeout {
          try JobEnvironment.milliseconds(seconds: joinTimeout, setting: "--join-timeout")
        } else {
          try JobEnvironment.joinTimeoutMilliseconds()
        }
      return .launch(plan)
    } catch let error as BootstrapError {
      throw ValidationError(error.description)
    }
  }

  private func jobPlan() throws -> JobPlan {
    if let listen { return try listeningPlan(listen) }
    if let hosts { return try hostsPlan(hosts) }
    return JobPlan(programs: try JobPlan.programs(firstNodeCount: nodeCount ?? "", words: words))
  }

  /// The program of a job that has one: no ":" begins another.
  private func singleProgram(_ way: String) throws -> [String] {
    let command = words.first == "--" ? Array(words.dropFirst()) : words
    guard !command.contains(":") else {
      throw ValidationError(
        "\(way) runs one program on all its nodes; \":\" begins another, which it has not.")
    }
    return command
  }

  // MARK: --hosts

  private func hostsPlan(_ text: String) throws -> JobPlan {
    let program = try singleProgram("--hosts")
    guard let name = program.first, !name.isEmpty else {
      throw ValidationError(
        "there is no program to run; write it after the options: --hosts \(text) -- PROGRAM ARGS...")
    }
    var remote = JobPlan.Remote(listenHost: nil, secret: try SecretFile.make())
    remote.hosts = try HostEntry.parse(text)
    remote.words = program
    remote.agent = try agentWords()
    remote.remoteMerino = remoteMerino ?? Self.ownPath()
    if let listenAddress { (remote.listenHost, remote.port) = try Self.listening(listenAddress) }
    return JobPlan(hosts: remote)
  }

  private func agentWords() throws -> [String] {
    guard let launchAgent else { return ["ssh", "-o", "BatchMode=yes"] }
    let words = launchAgent.split(whereSeparator: \.isWhitespace).map(String.init)
    guard !words.isEmpty else { throw ValidationError("--launch-agent is empty; it is a command like ssh.") }
    return words
  }

  private static func listening(_ text: String) throws -> (String, UInt16) {
    if let host = HostAndPort.host(text[...]) { return (host, 0) }
    // With a port an IPv6 address is in brackets, so without them it is an address alone.
    let isIPv6 = !text.contains("[") && text.filter { $0 == ":" }.count > 1
    if isIPv6, !text.contains(where: \.isWhitespace) { return (text, 0) }
    if let both = HostAndPort(text) { return (both.host, both.port) }
    throw ValidationError(
      "--listen-address is \"\(text)\"; it must be an address or name of this host, with a port if need be: "
        + "10.0.0.1, 10.0.0.1:7000, [fe80::1]:7000.")
  }

  private static func ownPath() -> String {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let length = readlink("/proc/self/exe", &path, path.count)
    guard length > 0 else { return "merino" }
    return String(decoding: path.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // MARK: --listen

  private func listeningPlan(_ text: String) throws -> JobPlan {
    let program = try singleProgram("--listen")
    let (host, port) = try Self.listeningPort(text)
    guard let count = Int(nodeCount ?? ""), (1...Job.maximumNodeCount).contains(count) else {
      throw ValidationError(
        "-n is \"\(nodeCount ?? "")\"; the number of nodes must be a whole number from 1 to "
          + "\(Job.maximumNodeCount)."
      )
    }
    guard localNodes == nil || !program.isEmpty else {
      throw ValidationError("--local-nodes says how many nodes run PROGRAM here, and there is no program.")
    }
    let localText = localNodes ?? (program.isEmpty ? "0" : "1")
    guard let local = Int(localText), (program.isEmpty ? 0 : 1) <= local, local <= count else {
      throw ValidationError(
        "--local-nodes is \"\(localText)\"; it must be a whole number from 1 to the number of nodes, "
          + "\(count)."
      )
    }
    let file = secretFile ?? ""
    if access(file, F_OK) != 0 { _ = try SecretFile.create(file, try SecretFile.make()) }
    let remote = JobPlan.Remote(
      listenHost: host, port: port, secret: try SecretFile.read(file), secretFile: file)
    return JobPlan(nodeCount: count, localCount: local, words: program, listening: remote)
  }

  private static func listeningPort(_ text: String) throws -> (String?, UInt16) {
    if let port = UInt16(text) { return (nil, port) }
    if let both = HostAndPort(text) { return (both.host, both.port) }
    throw ValidationError(
      "--listen is \"\(text)\"; it must be PORT or ADDRESS:PORT, an IPv6 address in brackets, port 0 for any."
    )
  }
}
