import Glibc
import Merino

/// What stopped a call: the errno that its namesake would give, and the sentence for people.
package struct SystemVError: Error, Sendable {
  package let errno: Int32
  package let sentence: String

  package init(_ errno: Int32, _ sentence: String) {
    self.errno = errno
    self.sentence = sentence
  }

  /// An error of Merino's, as the nearest one that these calls have.
  package init(_ error: MerinoError) {
    errno =
      switch error.code {
      case .outOfMemory: ENOMEM
      case .noSpace, .limitReached: ENOSPC
      case .notJoined, .notSupported: ENOSYS
      case .forked: EPERM
      case .accessDenied: EACCES
      case .peerLost: EHOSTDOWN
      case .system, .fabric: EIO
      default: EINVAL
      }
    sentence = error.description
  }
}

/// Runs `body`, whose errors are Merino's.
func merino<R>(_ body: () throws(MerinoError) -> R) throws(SystemVError) -> R {
  do throws(MerinoError) { return try body() } catch { throw SystemVError(error) }
}
