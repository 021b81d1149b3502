import Fabric
import Glibc
import HostFabric
import Platform
import Testing

@Suite("HostFabric: what it copies, changes and refuses")
struct HostFabricTests {
  @Test("Every small length at every alignment arrives, and no byte beside it changes")
  func copies() throws {
    let nodes = try HostNodes(count: 2)
    let (fabric, flight) = (nodes.fabrics[0], nodes.flight(0))
    let (target, scratch) = (nodes.memories[1].frames, nodes.memories[0].control)
    for byteCount in 0..<40 {
      for offset in 0..<16 {
        memset(target, 0xAA, 128)
        memset(scratch, 0xBB, 256)
        for i in 0..<byteCount { scratch.storeBytes(of: UInt8(i + 1), toByteOffset: 128 + i, as: UInt8.self) }
        fabric.writeNow(1, from: scratch + 128, byteCount, to: fabric.frame(32 + offset, at: 1), flight)
        fabric.readNow(1, fabric.frame(32 + offset, at: 1), into: scratch + 16 + offset, byteCount, flight)
        let written = UnsafeRawBufferPointer(start: target, count: 128)
        let expected = (0..<128).map { i -> UInt8 in
          let index = i - 32 - offset
          return index >= 0 && index < byteCount ? UInt8(index + 1) : 0xAA
        }
        #expect(written.elementsEqual(expected), "WRITE of \(byteCount) at \(offset)")
        let readBack = UnsafeRawBufferPointer(start: scratch + 16 + offset, count: byteCount + 1)
        let expectedBack = (0..<byteCount).map { UInt8($0 + 1) } + [0xBB]
        #expect(readBack.elementsEqual(expectedBack), "READ of \(byteCount) at \(offset)")
      }
    }
    #expect(flight.takeFailure() == nil)
  }

  @Test("Compare-and-swap and fetch-add return the value before and change only what they should")
  func atomics() throws {
    let nodes = try HostNodes(count: 2)
    let (fabric, flight) = (nodes.fabrics[1], nodes.flight(1))
    let old = nodes.memories[1].control
    let word = AtomicWord(nodes.memories[0].control + 72)
    word.store(5)
    let address = fabric.controlMemory(of: 0).advanced(by: 72)
    var batch = fabric.open(0, lane: 0)
    fabric.compareAndSwap(&batch, at: address, expected: 4, desired: 9, old: old)
    fabric.compareAndSwap(&batch, at: address, expected: 5, desired: 7, old: old + 8)
    fabric.fetchAdd(&batch, at: address, addend: ~0, old: old + 16)
    fabric.read(&batch, from: address, into: old + 24, byteCount: 8)
    fabric.submit(batch, flight)
    #expect((0..<4).map { AtomicWord(old + $0 * 8).load() } == [5, 5, 7, 6])
    #expect(word.load() == 6)
    #expect(AtomicWord(nodes.memories[0].control + 80).load() == 0)
  }

  @Test("Completed work leaves the flight's count alone, with or without others' operations in it")
  func pending() throws {
    let nodes = try HostNodes(count: 2)
    let (fabric, flight) = (nodes.fabrics[0], nodes.flight(0))
    flight.pending.store(3)
    fabric.readNow(1, fabric.controlMemory(of: 1), into: nodes.memories[0].control, 8, flight)
    fabric.poll()
    #expect(flight.pending.load() == 3)
    #expect(flight.takeFailure() == nil)
  }

  @Test("A node reaches its own memory like another's")
  func loopback() throws {
    let nodes = try HostNodes(count: 1)
    let (fabric, flight) = (nodes.fabrics[0], nodes.flight(0))
    AtomicWord(nodes.memories[0].control + 8).store(41)
    var batch = fabric.open(0, lane: 0)
    fabric.fetchAdd(
      &batch, at: fabric.controlMemory(of: 0).advanced(by: 8), addend: 1, old: nodes.memories[0].control)
    fabric.submit(batch, flight)
    #expect(AtomicWord(nodes.memories[0].control + 8).load() == 42)
    #expect(AtomicWord(nodes.memories[0].control).load() == 41)
  }

  @Test("Every chunk has a key at once, other than the control memory's and never 0")
  func keys() throws {
    let nodes = try HostNodes(count: 2)
    let fabric = nodes.fabrics[0]
    let keys = try (0..<4).map { chunk -> UInt32 in
      let key = try fabric.registerChunk(chunk)
      #expect(key == fabric.registerChunkInPlace(chunk))
      return key
    }
    #expect(Set(keys + [0, fabric.controlMemory(of: 1).key]).count == 6)
  }

  @Test("Everything that the signal handler calls takes no lock: compiled under @_noLocks, and run here")
  func noLocks() throws {
    let nodes = try HostNodes(count: 2)
    AtomicWord(nodes.memories[1].control).store(10)
    handlerProbe(nodes.fabrics[0], nodes.flight(0))
    #expect(AtomicWord(nodes.memories[1].control).load() == 12)
    #expect(AtomicWord(nodes.memories[0].control).load() == 12)
  }
}

/// A concrete, non-generic entry as the fault handler's: the compiler checks all that it reaches.
@_noLocks
func handlerProbe(_ fabric: HostFabric, _ flight: Flight) {
  let mine = fabric.memory.control
  let word = fabric.controlMemory(of: 1)
  guard fabric.registerChunkInPlace(0) != 0 else { return }
  var batch = fabric.open(1, lane: 0)
  fabric.fetchAdd(&batch, at: word, addend: 1, old: mine + 8)
  fabric.compareAndSwap(&batch, at: word, expected: 11, desired: 12, old: mine + 16)
  fabric.write(&batch, from: mine + 8, byteCount: 16, to: word.advanced(by: 64))
  fabric.read(&batch, from: word, into: mine, byteCount: 8)
  fabric.submit(batch, flight)
  fabric.poll()
}
