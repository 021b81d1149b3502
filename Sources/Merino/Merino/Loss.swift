import Fabric
import Platform
import Synchronization

/// Of the node that left this process's job early: what is known of its end.
enum Loss {
  /// Set when this process joins; stays when it has left.
  static let record = Mutex<LossRecord?>(nil)

  /// "node 3 left the job before the end: node 3 (process 4711) was ended by SIGKILL (Killed)".
  static func clause(_ peer: Int32) -> String {
    let who =
      switch peer {
      case FabricFailure.launcher: "the launcher ended before the job"
      case 0...: "node \(peer) left the job before the end"
      default: "a node left the job before the end"
      }
    guard let record = record.withLock({ $0 }), record.word.load() == UInt64(peer) &+ 1 else { return who }
    let bytes = UnsafeRawBufferPointer(start: record.how, count: record.howByteCount)
    let how = String(decoding: bytes, as: UTF8.self)
    return how.isEmpty ? who : "\(who): \(how.hasSuffix(".") ? String(how.dropLast()) : how)"
  }
}
