import CBootstrap
import CPlatform
import Glibc

/// The joiner's side of a TCP connection: connects and proves, within a time limit.
struct TCPConnecting {
  let address: HostAndPort
  let secret: [UInt8]

  /// Connected, both sides proven; the caller closes it.
  struct Connection {
    let socket: Int32
    let jobSecret: (UInt64, UInt64)
  }

  private static let connectLimitMilliseconds = 5000

  func connect() throws(BootstrapError) -> Connection {
    var nameError: UnsafePointer<CChar>?
    let socket = cbootstrap_tcp_connect(
      address.host, "\(address.port)", Int32(clamping: Self.connectLimitMilliseconds), &nameError)
    guard socket >= 0 else { throw unreachable(nameError.map { String(cString: $0) }) }
    do throws(BootstrapError) {
      guard cbootstrap_tcp_watch(socket, 1) == 0 else {
        throw .system("have the connection to \(address) watched", "setsockopt")
      }
      return try prove(over: socket)
    } catch {
      close(socket)
      throw error
    }
  }

  /// Goes through the addresses until a rendezvous that knows the secret answers at one of them.
  static func connect(
    toOneOf addresses: [HostAndPort], secret: [UInt8]
  ) throws(BootstrapError) -> (HostAndPort, Connection) {
    var failures: [BootstrapError] = []
    for address in addresses {
      do throws(BootstrapError) {
        return (address, try TCPConnecting(address: address, secret: secret).connect())
      } catch {
        failures.append(error)
      }
    }
    // A refusal says more than addresses that lead nowhere.
    let telling = failures.first { $0.kind == .refused } ?? failures.first
    guard let telling, failures.count > 1 else {
      throw telling ?? BootstrapError(.cannotReachLauncher, "no address of the launcher was given.")
    }
    let tried = addresses.map(\.description).joined(separator: ", ")
    throw BootstrapError(telling.kind, "\(telling.description) (Tried in turn: \(tried).)")
  }

  func prove(over socket: Int32) throws(BootstrapError) -> Connection {
    let due = cplatform_now_nanoseconds() &+ UInt64(clamping: Handshake.timeLimitMilliseconds) &* 1_000_000
    let greeting = Handshake.greeting(nonce: try Handshake.makeNonce())
    try send(greeting, over: socket)
    guard let challenge = try receive(Handshake.challengeByteCount, from: socket, dueNanoseconds: due) else {
      throw noRendezvous(
        "closed the connection before it said anything: all nodes have joined meanwhile, or others knock so "
          + "often that it has no place for this process; see who connects there, and start it again")
    }
    switch Handshake.check(challenge) {
    case .good: break
    case .stranger, .incomplete: throw noRendezvous("answered, but is no rendezvous of Merino")
    case .otherVersion(let version):
      throw noRendezvous(
        "speaks version \(version) of the rendezvous protocol and this process version "
          + "\(RendezvousMessage.protocolVersion); use merino and libmerino of one build")
    }
    try send(
      Handshake.proof(of: .joiner, secret: secret, greeting: greeting, challenge: challenge), over: socket)
    guard let answer = try receive(Handshake.proofByteCount, from: socket, dueNanoseconds: due) else {
      throw BootstrapError(
        .refused,
        "the rendezvous at \(address) refused this process: the secrets differ, or all nodes have joined "
          + "meanwhile. Give both sides the same secret file (\(JobEnvironment.secretFileName), "
          + "--secret-file), byte for byte."
      )
    }
    let proof = Handshake.proof(of: .server, secret: secret, greeting: greeting, challenge: challenge)
    guard HMAC.areEqual(answer, proof) else {
      throw BootstrapError(
        .refused,
        "whoever listens at \(address) does not know the job's secret; this process will not join it. See "
          + "that the address is the launcher's.")
    }
    let jobNonce = Handshake.jobNonce(inChallenge: challenge)
    return Connection(
      socket: socket, jobSecret: Handshake.jobSecret(secret: secret, jobNonce: jobNonce))
  }

  private func send(_ bytes: [UInt8], over socket: Int32) throws(BootstrapError) {
    // The first bytes of a connection, fewer than any buffer has room for.
    let sent = Glibc.send(socket, bytes, bytes.count, MessageFlags.noSignal)
    if sent < 0 && (errno == EPIPE || errno == ECONNRESET) { return }
    guard sent == bytes.count else { throw .system("prove to \(address) who this process is", "send") }
  }

  /// `nil` where the other side closed the connection.
  private func receive(
    _ count: Int, from socket: Int32, dueNanoseconds due: UInt64
  ) throws(BootstrapError) -> [UInt8]? {
    var bytes: [UInt8] = []
    var step = [UInt8](repeating: 0, count: count)
    while bytes.count < count {
      let received = recv(socket, &step, count &- bytes.count, MessageFlags.doNotWait)
      if received > 0 { bytes.append(contentsOf: step.prefix(received)) }
      if received == 0 || (received < 0 && errno == ECONNRESET) { return nil }
      guard received < 0, errno != EINTR else { continue }
      guard errno == EAGAIN else { throw .system("prove to \(address) who this process is", "recv") }
      let now = cplatform_now_nanoseconds()
      guard now < due else {
        throw noRendezvous("has not answered for \(Handshake.timeLimitMilliseconds / 1000) s")
      }
      var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
      poll(&entry, 1, Int32(clamping: (due &- now) / 1_000_000 &+ 1))
    }
    return bytes
  }

  private func unreachable(_ nameError: String?) -> BootstrapError {
    let reason = nameError ?? String(cString: strerror(errno))
    return BootstrapError(
      .cannotReachLauncher,
      "could not connect to the rendezvous at \(address): \(reason). See that merino run --listen (or "
        + "--hosts), or node 0 of a job of another launcher, runs there and still waits for nodes (the port "
        + "is closed when all have joined), that the address is right, and that no firewall keeps the port "
        + "closed.")
  }

  private func noRendezvous(_ what: String) -> BootstrapError {
    BootstrapError(.cannotReachLauncher, "the other end at \(address) \(what).")
  }
}
