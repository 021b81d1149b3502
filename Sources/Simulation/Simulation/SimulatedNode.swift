import Coherence
import Fabric
import Glibc
import Platform
import SimulatedFabric

/// A node of a simulated cluster: an engine, and the processor's view of memory. Protection is a byte for
/// each page and view; an access looks at it exactly as the hardware would, and faults into the engine.
public final class SimulatedNode {
  /// An index of the cluster's nodes.
  public let id: Int
  var nodeID: NodeID { NodeID(id) }
  unowned let scheduler: Scheduler
  unowned let network: Network
  let memory: NodeMemory
  let pageShift: Int
  let pageCount: Int
  let viewCount: Int
  /// What a view allows at most.
  let viewLimits: [Access]
  private let access: UnsafeMutablePointer<UInt8>
  private let pinCounts: UnsafeMutablePointer<UInt8>
  /// The engine, from the end of the cluster's `init` on.
  public private(set) var engine: SimulatedEngine!

  init(
    _ id: Int, network: Network, scheduler: Scheduler, memory: NodeMemory,
    configuration c: Configuration, viewLimits: [Access]
  ) {
    self.id = id
    self.scheduler = scheduler
    self.network = network
    self.memory = memory
    self.viewLimits = viewLimits
    viewCount = viewLimits.count
    pageShift = c.pageShift
    pageCount = c.pageCount
    access = .allocate(capacity: c.pageCount * viewCount)
    access.initialize(repeating: 0, count: c.pageCount * viewCount)
    pinCounts = .allocate(capacity: c.pageCount)
    pinCounts.initialize(repeating: 0, count: c.pageCount)
  }

  deinit {
    access.deallocate()
    pinCounts.deallocate()
  }

  func start(_ configuration: Configuration, _ layout: ControlLayout, _ local: UnsafeMutableRawPointer) {
    engine = SimulatedEngine(
      fabric: network.fabric(of: nodeID),
      protection: SimulatedProtection(node: Unmanaged.passUnretained(self)),
      execution: SimulatedExecution(scheduler: Unmanaged.passUnretained(scheduler)),
      configuration: configuration, layout: layout, localMemory: local)
  }

  // MARK: The application's accesses

  /// A byte load through `view`, as the running thread's instruction.
  func load(_ address: Int, view: ViewID) throws(EngineError) -> UInt8 {
    try touch(address, .read, view)
    return memory.frames.load(fromByteOffset: address, as: UInt8.self)
  }

  /// A byte store through `view`, as the running thread's instruction.
  func store(_ value: UInt8, _ address: Int, view: ViewID) throws(EngineError) {
    try touch(address, .readWrite, view)
    memory.frames.storeBytes(of: value, toByteOffset: address, as: UInt8.self)
  }

  /// Returns when the access is allowed, with nothing between the look at the protection and the
  /// caller's access to the byte.
  private func touch(_ address: Int, _ wanted: Access, _ view: ViewID) throws(EngineError) {
    let page = Page(address >> pageShift)
    scheduler.point()
    while allowed(page, view: view) < wanted.rawValue {
      scheduler.log("faults on page \(page) for \(wanted) in view \(view)")
      let saved = scheduler.enterCritical()
      try engine.fault(page: page, access: wanted, view: view)
      scheduler.leaveCritical(saved)
      scheduler.point(isWaiting: true)
    }
  }

  /// What `view` allows on `page` at this moment.
  func allowed(_ page: Page, view: ViewID) -> UInt8 { slot(page, view).pointee }

  private func slot(_ page: Page, _ view: ViewID) -> UnsafeMutablePointer<UInt8> {
    access + view.number * pageCount + page.number
  }

  var views: OrdinalRange<ViewKind> { OrdinalRange(0, count: viewCount) }

  // MARK: What the engine asks for

  func lower(_ pages: PageRange, to limit: Access) {
    for page in pages {
      checkLocked(page, "lowered")
      scheduler.point()
      for view in views {
        let slot = slot(page, view)
        slot.pointee = min(slot.pointee, limit.rawValue)
      }
    }
    scheduler.log("lowered pages \(pages) to \(limit)")
    scheduler.point()
  }

  func raise(_ pages: PageRange, to wanted: Access, in view: ViewID) {
    let allowed = min(wanted, viewLimits[view.number])
    for page in pages {
      checkLocked(page, "raised")
      scheduler.point()
      let slot = slot(page, view)
      slot.pointee = max(slot.pointee, allowed.rawValue)
    }
    scheduler.log("raised pages \(pages) to \(allowed) in view \(view)")
    scheduler.point()
  }

  private func checkLocked(_ page: Page, _ what: StaticString) {
    let unit = engine.pages.unit(containing: page)
    if !engine.pages.load(unit.page).isLocked {
      scheduler.fail("Page \(page) of node \(id) is \(what) without the lock bit of its unit.")
    }
  }

  func setPinned(_ pages: PageRange, _ pinned: Bool) {
    for page in pages { pinCounts[page.number] = pinned ? 1 : 0 }
    scheduler.point()
  }

  func discardFrames(_ pages: PageRange) {
    scheduler.point()
    for page in pages where network.isRegistered(page.number << pageShift, of: nodeID) {
      scheduler.fail("Frames of page \(page) of node \(id) are discarded while their chunk is registered.")
    }
    memset(memory.frames + (pages.lowerBound.number << pageShift), 0, pages.count << pageShift)
  }

  // MARK: What happens by itself

  /// An unmap: no access through any view.
  func detach(_ pages: PageRange) {
    for page in pages {
      for view in views { slot(page, view).pointee = 0 }
    }
  }

  /// Lowers some page, as a protection may at any time.
  func disturb() {
    let slot = scheduler.random.below(pageCount * viewCount)
    guard access[slot] > 0, pinCounts[slot % pageCount] == 0 else { return }
    access[slot] = UInt8(scheduler.random.below(Int(access[slot])))
    scheduler.log("node \(id) lowers page \(slot % pageCount) in view \(slot / pageCount) by itself")
  }
}
