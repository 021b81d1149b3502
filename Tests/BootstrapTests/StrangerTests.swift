import CBootstrap
import Glibc
import Testing

@testable import Bootstrap

/// `merino run --listen` among strangers, and among nodes that lose their mind: the command as users run it.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct StrangerTests {
  private func connect(_ job: ListeningJob) throws -> Int32 {
    let address = try #require(HostAndPort(job.address))
    var nameError: UnsafePointer<CChar>?
    return cbootstrap_tcp_connect(address.host, "\(address.port)", 2000, &nameError)
  }

  private func say(_ bytes: [UInt8], _ socket: Int32) {
    _ = send(socket, bytes, bytes.count, MessageFlags.noSignal)
  }

  /// The job that all this is about: it joins, and ends well.
  private func expectGoodEnd(_ job: ListeningJob, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let joined = try job.join(2, Tool.probe, "barrier", "5").wait()
    let run = job.command.wait()
    #expect(joined.code == 0 && run.code == 0, "\(joined) \(run)", sourceLocation: sourceLocation)
  }

  private static let header = RendezvousHeader(RendezvousMessage(kind: .hello)).encoded()

  @Test(arguments: [
    Array("MERINO".utf8), Array("MERIN".utf8), Array("MERINO\u{2}".utf8),
    Array("GET / HTTP/1.0\r\n\r\n".utf8),
    Array("MERINO\u{63}\u{0}".utf8) + Array(repeating: 7, count: 32), Array(repeating: 0xFF, count: 1 << 16),
    header,
  ])
  func whatStrangersSayEndsNothing(bytes: [UInt8]) throws {
    let job = try ListeningJob(2)
    var sockets: [Int32] = []
    defer { for socket in sockets { close(socket) } }
    // Whole, byte by byte, with an end in the middle, and with a connection that breaks.
    for way in 0..<4 {
      let socket = try connect(job)
      #expect(socket >= 0)
      if way == 1 {
        for byte in bytes.prefix(64) { say([byte], socket) }
      } else {
        say(way == 2 ? Array(bytes.prefix(bytes.count / 2)) : bytes, socket)
      }
      if way == 2 { shutdown(socket, Int32(SHUT_WR)) }
      guard way == 3 else {
        sockets.append(socket)
        continue
      }
      var broken = linger(l_onoff: 1, l_linger: 0)
      setsockopt(socket, SOL_SOCKET, SO_LINGER, &broken, socklen_t(MemoryLayout<linger>.size))
      close(socket)
    }
    #expect(runs(job.command.process))
    try expectGoodEnd(job)
  }

  /// More connections than the launcher keeps, most of them silent, some half through the handshake.
  @Test func aStormOfConnectionsKeepsNobodyOut() throws {
    let job = try ListeningJob(2)
    let greeting = Handshake.greeting(nonce: try Handshake.makeNonce())
    var sockets: [Int32] = []
    defer { for socket in sockets { close(socket) } }
    for number in 0..<600 {
      let socket = try connect(job)
      #expect(socket >= 0, "connection \(number)")
      if number % 3 == 0 { say(Array(greeting.prefix(1 + number % greeting.count)), socket) }
      if number % 7 == 0 { say(greeting + [1, 2, 3], socket) }
      if number % 5 == 0 { close(socket) } else { sockets.append(socket) }
    }
    let count = (try? descriptorCount(of: job)) ?? 0
    // Two for each node and 64 for strangers, beside the launcher's own.
    #expect(count > 10 && count < 68 + 40, "\(count) descriptors")
    try expectGoodEnd(job)
  }

  /// Of the launcher proper, the child of the process that was started.
  private func descriptorCount(of job: ListeningJob) throws -> Int {
    let children = contents(of: "/proc/\(job.command.process)/task/\(job.command.process)/children")
    let child = try #require(children.split(separator: " ").first)
    guard let directory = opendir("/proc/\(child)/fd") else { return 0 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
  }

  /// With the secret: a message behind an attach, a length that nobody sends, an end within a message.
  @Test func whoHasTheSecretEndsNothingEither() throws {
    let job = try ListeningJob(2)
    let secret = try SecretFile.read(job.secretFile)
    let connecting = TCPConnecting(address: try #require(HostAndPort(job.address)), secret: secret)
    var huge = Self.header
    huge[15] = 0x7F
    var large = Self.header
    large[11] = 0x3F
    let attach = RendezvousMessage(kind: .attachEvents, payload: try Handshake.makeNonce().dropLast(16))
    let barrier = RendezvousMessage(kind: .barrier).encoded()
    var sockets: [Int32] = []
    defer { for socket in sockets { close(socket) } }
    for bytes in [
      attach.encoded() + barrier, attach.encoded() + RendezvousMessage.abort(code: 1).encoded(), huge, large,
      Array(attach.encoded().dropLast()), barrier, OutpostReport.gone.message().encoded(),
    ] {
      let socket = try connecting.connect().socket
      sockets.append(socket)
      say(bytes, socket)
      shutdown(socket, Int32(SHUT_WR))
      var rest = [UInt8](repeating: 0, count: 4096)
      let hasEnded = eventually(withinSeconds: 5) {
        let count = recv(socket, &rest, rest.count, MessageFlags.doNotWait)
        return count == 0 || (count < 0 && errno == ECONNRESET)
      }
      #expect(hasEnded && runs(job.command.process), "\(bytes)")
    }
    try expectGoodEnd(job)
  }

  /// A node over TCP that has joined, and then says what none says: its death, by name, and nobody else's.
  @Test func aNodeThatBreaksTheProtocolIsNamed() throws {
    let job = try ListeningJob(2)
    let environment = JobEnvironment(
      node: nil, nodeCount: nil, rendezvous: try #require(HostAndPort(job.address)),
      secretFile: job.secretFile)
    var entry = try RendezvousEntry.open(environment)
    let hello = Hello(eventsToken: entry.eventsToken, timeoutMilliseconds: 0, member: .current())
    try entry.calls.send(hello.message(eventDescriptor: nil))
    let other = try job.join(1, Tool.probe, "stay", job.command.scratch.path + "/never")
    #expect(
      eventually {
        other.outputSoFar.contains("staying")
          || (try? entry.calls.receive(withinMilliseconds: 10))??.kind == .welcome
      })
    try entry.calls.send(RendezvousMessage(kind: .welcome))
    let run = job.command.wait()
    close(entry.events)
    #expect(run.code == 1, "\(run)")
    #expect(run.errors.contains("node 0 (process \(getpid()) on "), "\(run)")
    #expect(
      run.errors.contains("was cut off by the launcher: the other end of the rendezvous socket sent welcome"),
      "\(run)")
    let rest = other.wait()
    #expect(
      rest.code == 1 && rest.errors.contains("sent welcome where it may ask for something or leave"),
      "\(rest)")
  }

  /// The same on the launcher's own socket, where the process is one of this machine.
  @Test(arguments: [0, 1, 2])
  func aProcessOfThisMachineThatBreaksTheProtocolIsNamed(way: Int) throws {
    let command = try RunningCommand([
      Tool.merino, "run", "-n", "2", "--", "sh", "-c",
      "echo ready; sleep 20",
    ])
    #expect(eventually { command.outputSoFar == "ready\nready\n" && !command.scratch.entries.isEmpty })
    let directory = command.scratch.path + "/" + (command.scratch.entries.first ?? "")
    var channel = try CallChannel(connectingTo: directory + "/rendezvous")
    var pair: [Int32] = [-1, -1]
    #expect(cbootstrap_event_pair(&pair) == 0)
    defer { close(pair[0]) }
    let hello = Hello(node: 1, nodeCount: 2, timeoutMilliseconds: 0, member: .current())
    try channel.send(hello.message(eventDescriptor: pair[1]))
    switch way {
    // Asks before all are there, announces what nobody gives, says nonsense where it may end the job.
    case 0: try channel.send(RendezvousMessage(kind: .exchange, payload: [1]))
    case 1:
      // The launcher need not read it to the end.
      try? channel.send(
        RendezvousMessage(kind: .exchange, payload: [UInt8](repeating: 1, count: (16 << 20) + 1)))
    default: say([UInt8](repeating: 0xFF, count: 24), pair[0])
    }
    let run = command.wait()
    #expect(run.code != 0 && run.code < 128, "\(run)")
    #expect(run.errors.contains("node 1 (process "), "\(run)")
    let why = [
      "asked for something before it was answered", "announced a message of 16777217 bytes", "is no message",
    ]
    #expect(run.errors.contains("was cut off by the launcher: ") && run.errors.contains(why[way]), "\(run)")
  }

  /// Whoever comes later finds nobody: neither beside nodes of outposts nor beside those that came by
  /// themselves.
  @Test func theEntranceClosesWhenAllHaveJoined() throws {
    let scratch = Scratch()
    let file = scratch.path + "/end"
    let job = try ListeningJob(4, program: ["--", Tool.probe, "stay", file])
    let joined = try job.join(2, Tool.probe, "stay", file)
    #expect(eventually { joined.outputSoFar.isEmpty })
    // One is missing still.
    let early = try connect(job)
    #expect(early >= 0)
    let byHand = try job.joinByHand(Tool.probe, "stay", file)
    #expect(
      eventually { job.command.outputSoFar.contains("staying 0") && byHand.outputSoFar.contains("staying") })
    let late = try connect(job)
    #expect(late < 0 && errno == ECONNREFUSED, "\(late) \(errno)")
    // Who was on its way in is put out.
    var byte: UInt8 = 0
    #expect(eventually { recv(early, &byte, 1, MessageFlags.doNotWait) == 0 || errno == ECONNRESET })
    close(early)
    let latecomer = try job.joinByHand(Tool.probe, "join").wait()
    #expect(latecomer.code == 9 && latecomer.output.contains("Connection refused"), "\(latecomer)")
    close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0o600))
    for command in [job.command, joined, byHand] { #expect(command.wait().code == 0) }
  }

  /// The other way round: `merino run --join` at a launcher that has the secret and lost its mind.
  @Test(arguments: [0, 1, 2, 3, 4, 5])
  func whatALauncherSaysEndsNoOutpost(way: Int) throws {
    let scratch = Scratch()
    let secret = try SecretFile.make()
    #expect(try SecretFile.create(scratch.path + "/secret", secret))
    let loop = EventLoop()
    let entrance = try TCPEntrance(loop: loop, host: "127.0.0.1", port: 0, nodeCount: 1, secret: secret)
    func welcome(_ nodes: [Int], _ nodeCount: Int) -> RendezvousMessage {
      OutpostWelcome(nodes: nodes, nodeCount: nodeCount, joinTimeoutMilliseconds: 1000, fabric: "").message()
    }
    let answers: [[RendezvousMessage]] = [
      // Nodes that the job does not have: their labels have no room.
      [welcome([123_456], 2)], [welcome([0], -5)], [welcome([], 1)],
      [welcome([0], 1), RendezvousMessage(kind: .outpostOrder, payload: [9, 9, 9, 9])],
      [welcome([0], 1), RendezvousMessage(kind: .hello)],
      [
        welcome([0], 1),
        RendezvousMessage(kind: .outpostOrder, payload: [UInt8](repeating: 1, count: 1 << 17)),
      ],
    ]
    var channels: [MessageChannel] = []
    entrance.onFirstMessage = { channel, _ in
      channels.append(channel)
      for answer in answers[way] { channel.send(answer) }
    }
    let joined = try RunningCommand([
      Tool.merino, "run", "--join", "127.0.0.1:\(entrance.port)", "--secret-file", scratch.path + "/secret",
      "-n", "1",
      "--label", "--", "sleep", "30",
    ])
    #expect(
      eventually {
        loop.runOnce(withinMilliseconds: 5)
        return !runs(joined.process)
      })
    let run = joined.wait()
    #expect(run.code == 1, "\(run)")
    let sentence = way < 3 ? "use merino of one build" : "the connection to the launcher is lost"
    let other = "sent what is no message of this version of Merino"
    #expect(run.errors.contains(sentence) || (way < 3 && run.errors.contains(other)), "\(run)")
  }
}
