import CBootstrap
import Glibc

/// Processes of this machine, which come to the launcher's socket.
extension RendezvousServer {
  func acceptConnections() {
    for _ in 0..<TCPEntrance.arrivalsPerTurn {
      let socket = cbootstrap_accept(listener)
      guard socket >= 0 else { return loop.pauseAccepting(listener) }
      receive(socket)
    }
  }

  /// A process of this machine has connected.
  func receive(_ socket: Int32) {
    guard let connection = ServerConnection(accepted: socket, loop: loop) else { return }
    adopt(connection)
    guard connection.user == geteuid() else { return refuse(connection, Self.wrongUser(connection)) }
    limitSilence(of: connection)
  }

  /// A node says hello at once. Who does not costs a descriptor, and that for a while only.
  private func limitSilence(of connection: ServerConnection) {
    if newcomers.count >= TCPEntrance.guestLimit(nodeCount: nodeCount) {
      // In bounds: the limit is above 0.
      refuse(newcomers.removeFirst(), Self.tooSilent)
    }
    newcomers.append(connection)
    loop.after(milliseconds: Handshake.secondTimeLimitMilliseconds) { [weak self, weak connection] in
      guard let self, let connection, newcomers.contains(where: { $0 === connection }) else { return }
      noLongerNew(connection)
      refuse(connection, Self.tooSilent)
    }
  }

  func noLongerNew(_ connection: ServerConnection) { newcomers.removeAll { $0 === connection } }

  private static let tooSilent = BootstrapError.violation("connected and did not say which node it is")

  private static func wrongUser(_ connection: ServerConnection) -> BootstrapError {
    BootstrapError(
      .refused,
      "process \(connection.process) runs as user \(connection.user) and the job belongs to user "
        + "\(geteuid()); a job's launcher and its nodes must run as the same user.")
  }
}
