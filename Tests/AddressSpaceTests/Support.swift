import CPlatform
import Coherence
import Glibc
import Node
import Platform
import Synchronization
import Testing

let pageBytes = 4096

/// A small process-local piece of global address space to test with.
final class Fixture {
  let frames: SharedMemoryFile
  let space: SharedAddressSpace

  var protection: ViewProtection { space.protection }

  private init(_ frames: consuming SharedMemoryFile, _ space: SharedAddressSpace) {
    self.frames = frames
    self.space = space
  }

  convenience init(pages: Int, budget: Int? = nil, viewLimit: Int = 4096) throws {
    let bytes = pages * pageBytes
    let frames = try SharedMemoryFile(named: "merino-test", byteCount: bytes)
    let reservation = try AddressReservation(base: freeAddress(bytes), byteCount: bytes)
    let space = try SharedAddressSpace(
      frames: frames.descriptor, reservation: reservation, viewLimit: viewLimit, boundaryBudget: budget)
    self.init(frames, space)
  }

  /// As the engine calls them: signals blocked.
  func raise(_ pages: Range<Int>, _ access: Access, _ view: ViewExtent) {
    blockingSignals { protection.raise(global(pages), to: access, in: view.view) }
  }

  func lower(_ pages: Range<Int>, _ access: Access) {
    blockingSignals { protection.lower(global(pages), to: access) }
  }
}

func blockingSignals(_ body: () -> Void) {
  let saved = cplatform_block_signals()
  body()
  cplatform_restore_signals(saved)
}

/// An address where `bytes` are free now; tests run at the same time, so each call gives another one.
func freeAddress(_ bytes: Int) -> UInt {
  let room = 256 << 30
  let base = AddressReservation.candidates(byteCount: room).first {
    AddressReservation.isFree($0..<$0 + 4096)
  }
  let taken = (bytes + (1 << 24) - 1) & ~(1 << 24 - 1)
  let offset = nextOffset.wrappingAdd(taken, ordering: .relaxed).oldValue
  precondition(offset + taken <= room, "the tests need more addresses")
  return (base ?? 0) + UInt(offset)
}

/// The first bytes stay free, so that the choice of the base is the same every time.
let nextOffset = Atomic<Int>(1 << 24)

/// What the kernel says of each page of a view: "---", "r--", "rw-".
func kernelProtections(_ view: ViewExtent) -> [String] {
  var result: [String] = []
  for region in ProcessMap.regions(overlapping: view.addressRange) {
    let part = region.range.clamped(to: view.addressRange)
    result += Array(repeating: String(region.permissions.prefix(3)), count: part.count / pageBytes)
  }
  return result
}

/// Mappings of the kernel within a view.
func kernelMappings(_ view: ViewExtent) -> Int { ProcessMap.regions(overlapping: view.addressRange).count }

/// Runs `count` threads of `body` and waits for them.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  final class Start: Sendable {
    let number: Int
    let body: @Sendable (Int) -> Void
    init(_ number: Int, _ body: @escaping @Sendable (Int) -> Void) {
      self.number = number
      self.body = body
    }
  }
  var threads: [pthread_t] = []
  for number in 0..<count {
    var thread = pthread_t()
    let start = Unmanaged.passRetained(Start(number, body)).toOpaque()
    let code = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        start.body(start.number)
        return nil
      }, start)
    precondition(code == 0, "no thread")
    threads.append(thread)
  }
  for thread in threads { pthread_join(thread, nil) }
}

/// A small generator, so that a failure can be repeated from its seed.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Pages as the protocol names them.
func global(_ pages: Range<Int>) -> PageRange { PageRange(Page(pages.lowerBound), count: pages.count) }
