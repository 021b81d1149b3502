import Coherence
import Platform
import Synchronization

/// The ranges of pages that this node has pinned, as they were pinned.
final class Pins: Sendable {
  private let ranges = Mutex<[PageRange: Int]>([:])

  func add(_ range: PageRange) { ranges.withLock { $0[range, default: 0] += 1 } }

  /// False where no such pin is left.
  func remove(_ range: PageRange) -> Bool {
    ranges.withLock { ranges in
      guard let count = ranges[range] else { return false }
      ranges[range] = count == 1 ? nil : count - 1
      return true
    }
  }

  func overlap(_ range: PageRange) -> Bool {
    ranges.withLock { $0.keys.contains { $0.overlaps(range) } }
  }
}
