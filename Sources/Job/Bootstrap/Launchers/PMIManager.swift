import CBootstrap
import Glibc
import Synchronization

/// A launcher that speaks PMI by `PMI_FD`: Hydra's `mpiexec`, `srun --mpi=pmi2`.
///
/// An MPI library of this process speaks to it over the same connection, at its beginning and its end. Every
/// exchange is a question with one answer, so the two can take turns. What they must share is said once:
///
/// - PMI-1's `init` is left out: Hydra's proxy needs none to serve the rest, and MPI may say its own at any
///   time. PMI-2's is said unless MPI has said it. Slurm takes one only, whichever: there MPI must be first.
/// - `finalize` closes the connection for both: see `PMISocket.leave`.
final class PMIManager: ProcessManager {
  let node: Int
  let nodeCount: Int
  private let wire: any PMIWire
  private let socket: PMISocket
  /// Tries to join by each connection.
  private static let attempts = Mutex<[PMISocket: Int]>([:])

  init(_ place: PMIPlace) throws(BootstrapError) {
    node = place.rank
    nodeCount = place.size
    socket = try PMISocket(place.descriptor)
    wire = try Self.version(place) == .one ? PMI1(socket) : PMI2(socket, place)
  }

  /// What Slurm is spoken to in. It takes one hello on a connection, so what MPI has said is gone on with.
  private static func version(_ place: PMIPlace) throws(BootstrapError) -> PMIPlace.Version {
    guard place.version == .either else { return place.version }
    switch cbootstrap_mpi() {
    case CBOOTSTRAP_MPI_ABSENT: return .two
    case CBOOTSTRAP_MPI_LOADED:
      throw BootstrapError(
        .cannotReachLauncher,
        "this is an MPI program that has not called MPI_Init yet, and srun speaks PMI, where MPI must come "
          + "first: call MPI_Init before joining, or use srun --mpi=pmix, where the order does not matter.")
    // MPI libraries speak PMI-1 by themselves and PMI-2 by Slurm's own library.
    default: return cbootstrap_has_library("libpmi2.so.0") == 0 ? .one : .two
    }
  }

  var name: String { wire.name }

  func share(_ text: String?, withinMilliseconds limit: Int) throws(BootstrapError) -> String {
    let attempt = Self.attempts.withLock { attempts in
      attempts[socket, default: 0] += 1
      return attempts[socket, default: 0]
    }
    let due = PMISocket.due(inMilliseconds: limit)
    do throws(PMIFailure) {
      let store = try wire.open(due: due)
      if let text {
        for (index, value) in PMIValues.split(text, byteCount: store.valueByteCount).enumerated() {
          try wire.put(store, key: PMIValues.key(attempt, index), value, due: due)
        }
      }
      try wire.fence(due: due)
      let first = try wire.get(store, key: PMIValues.key(attempt, 0), due: due)
      guard let (count, head) = PMIValues.head(first) else {
        throw PMIFailure.bootstrap(PMISocket.nonsense(first.utf8))
      }
      var whole = head
      for index in 1..<count { whole += try wire.get(store, key: PMIValues.key(attempt, index), due: due) }
      return whole
    } catch {
      switch error {
      case .timedOut: throw timedOut(limit)
      case .bootstrap(let reason): throw reason
      }
    }
  }

  func abort(code: Int32) {
    guard socket.isMine else { return }
    // The launcher does not answer; where it is gone there is nobody to end the job.
    try? socket.send(wire.abort(code: code))
  }

  func leave() { wire.leave() }
}

enum PMIFailure: Error {
  case timedOut
  case bootstrap(BootstrapError)
}

/// A launcher's key-value store.
struct PMIStore {
  var name: String
  /// What a value may have.
  var valueByteCount: Int
}

/// A version of PMI.
protocol PMIWire: Sendable {
  var name: String { get }
  func open(due: UInt64) throws(PMIFailure) -> PMIStore
  func put(_ store: PMIStore, key: String, _ value: String, due: UInt64) throws(PMIFailure)
  func get(_ store: PMIStore, key: String, due: UInt64) throws(PMIFailure) -> String
  func fence(due: UInt64) throws(PMIFailure)
  func abort(code: Int32) -> String
  func leave()
}

extension PMIWire {
  func sending<T>(_ body: () throws(BootstrapError) -> T?) throws(PMIFailure) -> T {
    let result: T?
    do throws(BootstrapError) { result = try body() } catch { throw .bootstrap(error) }
    guard let result else { throw .timedOut }
    return result
  }

  func refused(_ question: String, _ answer: PMIMessage) -> PMIFailure {
    let why = answer.fields["msg"] ?? answer.fields["errmsg"] ?? "rc=\(answer.fields["rc"] ?? "?")"
    return .bootstrap(
      BootstrapError(
        .cannotReachLauncher, "\(name) refused \(question) while this process was joining: \(why)."))
  }
}
