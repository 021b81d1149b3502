import Coherence
import Glibc
import Node
import Platform
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ConcurrencyTests {
  /// Views that stay are found at every moment, views that come and go are found right or not at all.
  @Test func lookUpsDuringAttachAndDetach() throws {
    let fixture = try Fixture(pages: 4096)
    let space = fixture.space
    let steady = try (0..<20).map {
      try space.attach($0 * 64 * pageBytes..<($0 * 64 + 8) * pageBytes, limit: .readWrite)
    }
    let running = Counter()
    running.set(2)
    let wrong = Counter()
    let transient = Counter()
    onThreads(4) { number in
      if number < 2 {
        churn(space, number)
        running.add(-1)
      } else {
        look(space, steady, UInt64(number), while: running, wrong, transient)
      }
    }
    #expect(wrong.value == 0)
    #expect(transient.value > 0)
    #expect(space.translation.count == steady.count)
  }

  /// Two changes during a walk overwrite the snapshot that it reads: it starts over and misses nothing.
  @Test func aWalkSurvivesChanges() throws {
    let fixture = try Fixture(pages: 64)
    let space = fixture.space
    let steady = try (4..<14).map { try space.attach($0 * pageBytes..<($0 + 1) * pageBytes, limit: .read) }
    for changes in 0...3 {
      var cursor = OverlapCursor(space.translation, overlapping: 0..<64 * pageBytes)
      var seen: Set<ViewID> = [cursor.next()]
      // At the beginning of both orders, so that all others move.
      let added = try (0..<changes).map {
        try space.attach($0 * pageBytes..<($0 + 1) * pageBytes, limit: .read)
      }
      while case let next = cursor.next(), next >= 0 { seen.insert(next) }
      #expect(seen.isSuperset(of: steady.map(\.view)), "\(changes) changes")
      for view in added { try space.detach(view.view) }
    }
  }

  /// Raising, lowering and detaching at once: at the end the kernel and the count agree.
  @Test func protectionsFromManyThreads() throws {
    let fixture = try Fixture(pages: 4096, budget: 300)
    let space = fixture.space
    let views = try [nil, freeAddress(1 << 24), freeAddress(1 << 24)].map {
      try space.attach(0..<4096 * pageBytes, at: $0, limit: .readWrite)
    }
    onThreads(4) { number in
      var random = SplitMix(state: UInt64(number))
      // Each thread has pages of its own, as lock bits give them in the engine.
      for _ in 0..<1500 {
        let page = Int.random(in: 0..<1024, using: &random) * 4 + number
        let view = views[Int.random(in: 0..<3, using: &random)]
        let lowers = Int.random(in: 0..<4, using: &random) == 0
        blockingSignals {
          if lowers {
            space.protection.lower(global(page..<page + 1), to: .none)
          } else {
            space.protection.raise(global(page..<page + 1), to: .readWrite, in: view.view)
          }
        }
      }
    }
    #expect(space.protection.failureCode == 0)
    #expect(space.protection.coarseningCount > 0)
    #expect(space.protection.boundaryCount <= 300)
    #expect(space.protection.boundaryCount == views.map { kernelMappings($0) - 1 }.reduce(0, +))
  }

  /// A view goes while others raise and lower its pages: what is mapped there next is not touched.
  @Test func detachUnderFire() throws {
    let fixture = try Fixture(pages: 512)
    let space = fixture.space
    let address = freeAddress(1 << 24)
    let current = Counter()
    let running = Counter()
    running.set(1)
    let touched = Counter()
    onThreads(3) { number in
      if number == 0 {
        replaceViews(space, address, current, touched)
        running.set(0)
        return
      }
      while running.value != 0 {
        let view = ViewID(current.value)
        blockingSignals {
          space.protection.raise(global(number * 100..<number * 100 + 50), to: .readWrite, in: view)
          space.protection.lower(global(number * 100..<number * 100 + 20), to: .none)
        }
      }
    }
    #expect(touched.value == 0)
    #expect(space.protection.boundaryCount == 0)
    #expect(space.protection.failureCode == 0)
  }
}

/// A counter that threads share.
final class Counter: Sendable {
  let count = Atomic<Int>(0)
  var value: Int { count.load(ordering: .relaxed) }
  func add(_ change: Int) { count.wrappingAdd(change, ordering: .relaxed) }
  func set(_ value: Int) { count.store(value, ordering: .relaxed) }
}

/// Attaches and detaches in a range of the thread's own, 300 times.
private func churn(_ space: SharedAddressSpace, _ number: Int) {
  for turn in 0..<300 {
    let page = (number == 0 ? 2048 : 3072) + turn % 32 * 16
    guard let view = try? space.attach(page * pageBytes..<(page + 4) * pageBytes, limit: .read) else {
      Issue.record("could not attach")
      return
    }
    do { try space.detach(view.view) } catch { Issue.record("\(error)") }
  }
}

private func look(
  _ space: SharedAddressSpace, _ steady: [ViewExtent], _ seed: UInt64, while running: Counter,
  _ wrong: Counter,
  _ transient: Counter
) {
  var random = SplitMix(state: seed)
  while running.value > 0 {
    guard let view = steady.randomElement(using: &random) else { return }
    let offset = Int.random(in: 0..<view.byteCount, using: &random)
    let found = space.translation.lookup(view.address + UInt(offset))
    if found?.view != view.view || found?.globalOffset != view.globalStart + offset {
      wrong.add(1)
    }
    var cursor = OverlapCursor(space.translation, overlapping: view.globalRange)
    var seen = false
    while case let next = cursor.next(), next >= 0 { seen = seen || next == view.view }
    if !seen { wrong.add(1) }
    let offsetElsewhere = Int.random(in: 2048 * pageBytes..<4096 * pageBytes, using: &random)
    if let other = space.translation.lookup(space.base + UInt(offsetElsewhere)) {
      transient.add(1)
      if other.globalOffset != offsetElsewhere || other.limit != .read {
        wrong.add(1)
      }
    }
  }
}

/// Attaches and detaches at one address; in between something else is there.
private func replaceViews(
  _ space: SharedAddressSpace, _ address: UInt, _ current: Counter, _ touched: Counter
) {
  for _ in 0..<60 {
    guard let view = try? space.attach(0..<512 * pageBytes, at: address, limit: .readWrite) else {
      Issue.record("could not attach")
      return
    }
    current.set(view.view.number)
    usleep(200)
    do { try space.detach(view.view) } catch { Issue.record("\(error)") }
    let foreign = mmap(
      UnsafeMutableRawPointer(bitPattern: address), 512 * pageBytes, PROT_READ,
      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)
    usleep(200)
    let regions = ProcessMap.regions(overlapping: address..<address + UInt(512 * pageBytes))
    if regions.map(\.permissions) != ["r--p"] { touched.add(1) }
    munmap(foreign, 512 * pageBytes)
  }
}
