import CBootstrap
import Glibc

/// The TCP side of the rendezvous: who connects must prove to know the secret, and say what it wants,
/// within a time limit. Strangers are many or silent at their own cost: each has a few hundred bytes here,
/// and where there are too many one of them goes, the silent ones first.
package final class TCPEntrance {
  /// Somebody who has not said yet what it wants.
  private final class Guest {
    let admission: Admission
    var channel: MessageChannel?
    var timer: EventLoop.Timer?
    init(_ admission: Admission) { self.admission = admission }
  }

  let secret: [UInt8]
  let jobNonce: [UInt8]
  package let port: UInt16
  private let loop: EventLoop
  private let listener: Int32
  private let guestLimit: Int
  /// In the order of their arrival.
  private var guests: [Guest] = []
  /// The first message of somebody who has proven to belong here.
  var onFirstMessage: (MessageChannel, RendezvousMessage) -> Void = { _, _ in }
  /// How far those who came have got, for tests.
  private(set) var counts = Counts()

  struct Counts {
    var arrived = 0
    var greeted = 0
    var proven = 0
    var said = 0
  }

  /// Those who are there already come to their turn between two who arrive in a storm.
  static let arrivalsPerTurn = 8

  /// - Parameter host: `nil` for all addresses of this host.
  init(
    loop: EventLoop, host: String?, port: UInt16, nodeCount: Int, secret: [UInt8]
  ) throws(BootstrapError) {
    self.loop = loop
    self.secret = secret
    // All nodes may come at once, with two connections each.
    guestLimit = Self.guestLimit(nodeCount: nodeCount)
    jobNonce = try Handshake.makeNonce()
    var nameError: UnsafePointer<CChar>?
    listener = cbootstrap_tcp_listen(host, "\(port)", Int32(clamping: Job.maximumNodeCount), &nameError)
    guard listener >= 0 else {
      let place = "port \(port)" + (host.map { " of \($0)" } ?? "")
      if let nameError {
        throw BootstrapError(.system, "could not listen at \(place): \(String(cString: nameError)).")
      }
      throw .system(
        "listen at \(place)", "bind", advice: "another program may have it; 0 chooses a free port")
    }
    self.port = UInt16(clamping: cbootstrap_tcp_port(listener))
    loop.watch(listener, POLLIN) { [weak self] _ in self?.accept() }
  }

  deinit {
    loop.unwatch(listener)
    close(listener)
    for guest in guests { guest.timer?.cancel() }
  }

  /// Descriptors that strangers may cost the launcher.
  package static func guestLimit(nodeCount: Int) -> Int { 2 &* nodeCount &+ 64 }

  private func accept() {
    for _ in 0..<Self.arrivalsPerTurn {
      let socket = cbootstrap_accept(listener)
      guard socket >= 0 else { return loop.pauseAccepting(listener) }
      _ = cbootstrap_tcp_watch(socket, 0)
      receive(socket)
    }
  }

  /// Somebody has connected.
  func receive(_ socket: Int32) {
    counts.arrived &+= 1
    if guests.count >= guestLimit { makeRoom() }
    let guest = Guest(Admission(socket, loop: loop, secret: secret, jobNonce: jobNonce))
    guests.append(guest)
    guest.timer = loop.after(milliseconds: Handshake.timeLimitMilliseconds) { [weak self, weak guest] in
      if let guest { self?.dismiss(guest) }
    }
    guest.admission.onGreeting = { [weak self] in self?.counts.greeted &+= 1 }
    guest.admission.onEnd = { [weak self, weak guest] socket in
      guard let self, let guest else {
        if let socket { close(socket) }
        return
      }
      guard let socket else { return dismiss(guest) }
      counts.proven &+= 1
      serve(guest, socket)
    }
    // What it has said before its turn came counts: it is none of the silent ones.
    guest.admission.read()
  }

  private func makeRoom() {
    while guests.count >= guestLimit, let victim = nextToGo {
      // What it has said since its last turn counts. Who gets on by it goes behind others; who is still the
      // next one goes.
      victim.admission.read()
      if nextToGo === victim { dismiss(victim) }
    }
  }

  /// A node greets at once. So who has been here longest without a greeting goes; where all have greeted,
  /// without a proof; where all have proven to belong here, the first.
  private var nextToGo: Guest? {
    guests.first { $0.channel == nil && !$0.admission.hasGreeted } ?? guests.first { $0.channel == nil }
      ?? guests.first
  }

  /// Those who have proven to belong here and not said yet what they want; they are the caller's then.
  func giveUpProven() -> [MessageChannel] {
    let proven = guests.filter { $0.channel != nil }
    for guest in proven { forget(guest) }
    return proven.compactMap(\.channel)
  }

  private func serve(_ guest: Guest, _ socket: Int32) {
    let channel = MessageChannel(socket, loop: loop)
    guest.channel = channel
    channel.onClosed = { [weak self, weak guest] _ in
      if let guest { self?.dismiss(guest) }
    }
    channel.onMessage = { [weak self, weak guest] message in
      guard let self, let guest, let channel = guest.channel else { return }
      guest.channel = nil
      forget(guest)
      // Whoever takes the channel says what becomes of what follows.
      channel.onMessage = { _ in }
      channel.onClosed = { _ in }
      counts.said &+= 1
      onFirstMessage(channel, message)
    }
  }

  private func dismiss(_ guest: Guest) {
    guest.admission.close()
    guest.channel?.close()
    forget(guest)
  }

  private func forget(_ guest: Guest) {
    guest.timer?.cancel()
    guests.removeAll { $0 === guest }
  }
}
