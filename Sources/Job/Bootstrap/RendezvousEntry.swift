import CBootstrap
import Glibc

/// A node's two channels to the rendezvous, before its hello.
struct RendezvousEntry: ~Copyable {
  var calls: CallChannel
  /// This node's end of the events channel; the caller's to close.
  let events: Int32
  /// The end that travels with the hello, where there is one.
  let passedEvents: Int32?
  let eventsToken: [UInt8]
  /// Over TCP, where it is not sent.
  let jobSecret: (UInt64, UInt64)?

  init(
    calls: consuming CallChannel, events: Int32, passedEvents: Int32?, eventsToken: [UInt8],
    jobSecret: (UInt64, UInt64)?
  ) {
    self.calls = calls
    self.events = events
    self.passedEvents = passedEvents
    self.eventsToken = eventsToken
    self.jobSecret = jobSecret
  }

  static func open(_ environment: JobEnvironment) throws(BootstrapError) -> RendezvousEntry {
    switch environment.rendezvous {
    case .path(let path): try open(path: path)
    case .tcp(let address): try open(address, secret: try SecretFile.read(environment.secretFile ?? ""))
    }
  }

  /// Of node 0's: by its name where this process is on its host, else at one of its addresses.
  static func open(_ card: RendezvousCard) throws(BootstrapError) -> RendezvousEntry {
    do throws(BootstrapError) {
      return try open(path: card.localName)
    } catch {
      // The kernel knows no such name here; another user's is never spoken to.
      guard error.kind == .cannotReachLauncher else { throw error }
    }
    let (address, first) = try TCPConnecting.connect(toOneOf: card.addresses, secret: card.secret)
    // It has shown which address leads there.
    close(first.socket)
    return try open(address, secret: card.secret)
  }

  /// The end of the entry: what is left of it belongs to the caller.
  consuming func takeCalls() -> CallChannel { calls }

  private static func open(path: String) throws(BootstrapError) -> RendezvousEntry {
    let calls = try CallChannel(connectingTo: path)
    var pair: [Int32] = [-1, -1]
    guard cbootstrap_event_pair(&pair) == 0 else {
      throw .system("make the sockets of the events channel", "socketpair")
    }
    // In bounds: there are two.
    return RendezvousEntry(
      calls: calls, events: pair[0], passedEvents: pair[1],
      eventsToken: Array(repeating: 0, count: Hello.tokenByteCount), jobSecret: nil)
  }

  private static func open(
    _ address: HostAndPort, secret: [UInt8]
  ) throws(BootstrapError) -> RendezvousEntry {
    let connecting = TCPConnecting(address: address, secret: secret)
    let token = Array(try Handshake.makeNonce().prefix(Hello.tokenByteCount))
    let events = try attachEvents(connecting, token: token)
    do throws(BootstrapError) {
      let connection = try connecting.connect()
      return RendezvousEntry(
        calls: CallChannel(proven: connection.socket), events: events, passedEvents: nil,
        eventsToken: token, jobSecret: connection.jobSecret)
    } catch {
      close(events)
      throw error
    }
  }

  private static func attachEvents(
    _ connecting: TCPConnecting, token: [UInt8]
  ) throws(BootstrapError) -> Int32 {
    let socket = try connecting.connect().socket
    // The channel closes its descriptor, and this one stays.
    let copy = fcntl(socket, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0 else {
      close(socket)
      throw .system("duplicate the events connection", "fcntl")
    }
    var channel = CallChannel(proven: copy)
    do throws(BootstrapError) {
      try channel.send(RendezvousMessage(kind: .attachEvents, payload: token))
      // The hello that names it comes by another connection: not before this one is known.
      guard let answer = try channel.receive(withinMilliseconds: Handshake.timeLimitMilliseconds),
        answer.kind == .answer
      else { throw MessageReader.malformed }
    } catch {
      close(socket)
      throw error
    }
    return socket
  }
}
