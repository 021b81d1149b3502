import Glibc
import Heap

/// A node as the layer above will be one: its cache under the node's lock, the heap under the global lock,
/// taken in the order that `HeapCache` asks for. The locks are mutexes here, so that threads can play nodes.
final class SimulatedNode: @unchecked Sendable {
  let cache: HeapCache
  private let memory: UnsafeMutableRawPointer
  private let global: Mutex
  private let local = Mutex()
  /// Calls that needed the global lock.
  private(set) var globalCalls = 0
  private(set) var freedByteCount = 0

  init(_ heap: SharedHeap, _ node: Int, global: Mutex) {
    memory = .allocate(byteCount: HeapCache.byteCount, alignment: 16)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: HeapCache.byteCount)
    cache = HeapCache(heap: heap, node: node, memory: memory)
    self.global = global
  }

  deinit { memory.deallocate() }

  func allocate(_ byteCount: Int, alignment: Int = 16) throws(HeapError) -> UnsafeMutableRawPointer? {
    let cached = try local.locked { () throws(HeapError) in
      try cache.allocate(byteCount, alignment: alignment)
    }
    if let cached { return cached }
    return try both { () throws(HeapError) in
      try cache.allocateRefilling(byteCount, alignment: alignment) { freedByteCount += $0.freed.count }
    }
  }

  func free(_ block: UnsafeMutableRawPointer) throws(HeapError) {
    if try local.locked({ () throws(HeapError) in try cache.free(block) }) { return }
    try both { () throws(HeapError) in
      try cache.freeFlushing(block) { freedByteCount += $0.freed.count }
    }
  }

  func drain() throws(HeapError) {
    try both { () throws(HeapError) in try cache.drain { freedByteCount += $0.freed.count } }
  }

  private func both<R>(_ body: () throws(HeapError) -> R) throws(HeapError) -> R {
    try global.locked { () throws(HeapError) in
      try local.locked { () throws(HeapError) in
        globalCalls += 1
        return try body()
      }
    }
  }
}

/// A mutex of the C library.
final class Mutex: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init() {
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  func locked<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body()
  }
}

/// Runs `body(0)` ... on threads of their own and returns when all have ended.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  final class Start: Sendable {
    let index: Int
    let body: @Sendable (Int) -> Void
    init(_ index: Int, _ body: @escaping @Sendable (Int) -> Void) {
      self.index = index
      self.body = body
    }
  }
  let threads = (0..<count).map { index -> pthread_t in
    var thread = pthread_t()
    let start = Unmanaged.passRetained(Start(index, body)).toOpaque()
    let status = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        start.body(start.index)
        return nil
      }, start)
    precondition(status == 0, "no thread")
    return thread
  }
  for thread in threads { pthread_join(thread, nil) }
}
