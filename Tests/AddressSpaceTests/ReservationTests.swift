import Glibc
import Node
import Platform
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ReservationTests {
  @Test func candidatesAreFreeHere() {
    let bytes = 1 << 36
    let candidates = AddressReservation.candidates(byteCount: bytes)
    #expect(candidates.count >= 5)
    #expect(candidates.filter { AddressReservation.isFree($0..<$0 + UInt(bytes)) }.count >= 4)
    #expect(AddressReservation.candidates(byteCount: 1 << 47).isEmpty)
    #expect(AddressReservation.candidates(byteCount: 0).isEmpty)
  }

  @Test func aReservedRangeIsInaccessibleAndTaken() throws {
    let base = freeAddress(1 << 30)
    let range = base..<base + 1 << 30
    #expect(AddressReservation.isFree(range))
    let reservation = try AddressReservation(base: base, byteCount: 1 << 30)
    let regions = ProcessMap.regions(overlapping: range)
    #expect(regions.count == 1 && regions[0].permissions == "---p")
    #expect(!AddressReservation.isFree(range))
    #expect(!AddressReservation.isFree(base + 4096..<base + 8192))
    reservation.release()
    #expect(AddressReservation.isFree(range))
  }

  @Test func theErrorSaysWhatIsThere() throws {
    let base = freeAddress(1 << 24)
    let file = try SharedMemoryFile(named: "merino-in-the-way", byteCount: 4096)
    let inTheWay = mmap(
      UnsafeMutableRawPointer(bitPattern: base + 8192), 4096, PROT_READ, MAP_SHARED | MAP_FIXED,
      file.descriptor, 0)
    defer { munmap(inTheWay, 4096) }
    let error = #expect(throws: AddressSpaceError.self) {
      _ = try AddressReservation(base: base, byteCount: 1 << 24)
    }
    guard case .addressInUse(let sentence) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(sentence.contains("merino-in-the-way"))
    #expect(sentence.contains(String(base + 8192, radix: 16)))
  }

  @Test func nonsenseIsRefused() {
    for (base, bytes) in [
      (UInt(0), 4096), (4097, 4096), (1 << 40, 0), (1 << 40, 100), (UInt.max - 4095, 8192),
    ] {
      #expect(throws: AddressSpaceError.self) { _ = try AddressReservation(base: base, byteCount: bytes) }
    }
  }

  @Test func aFileIsSparseAndGivesMemoryBack() throws {
    let bytes = 1 << 30
    let file = try SharedMemoryFile(named: "merino-sparse", byteCount: bytes)
    #expect(try file.allocatedByteCount() == 0)
    let memory = try file.mapSystemView()
    defer { file.unmapSystemView(memory) }
    for page in 0..<100 { memory.storeBytes(of: 1, toByteOffset: page * 4096, as: UInt8.self) }
    #expect(try file.allocatedByteCount() == 100 * 4096)
    try file.punchHole(10 * 4096..<60 * 4096)
    #expect(try file.allocatedByteCount() == 50 * 4096)
    #expect(memory.load(fromByteOffset: 10 * 4096, as: UInt8.self) == 0)
    #expect(memory.load(fromByteOffset: 9 * 4096, as: UInt8.self) == 1)
    #expect(memory.load(fromByteOffset: 60 * 4096, as: UInt8.self) == 1)
    #expect(fcntl(file.descriptor, F_GETFD) == FD_CLOEXEC)
  }

  @Test func closingLeavesTheMapping() throws {
    let file = try SharedMemoryFile(named: "merino-closed", byteCount: 4096)
    let memory = try file.mapSystemView()
    defer { munmap(memory, 4096) }
    try file.close()
    memory.storeBytes(of: 9, as: UInt8.self)
    #expect(memory.load(as: UInt8.self) == 9)
  }

  @Test func aFileThatCannotBeIsAnError() {
    let error = #expect(throws: SystemError.self) {
      _ = try SharedMemoryFile(named: "merino-huge", byteCount: -1)
    }
    #expect(error?.call == "ftruncate" && error?.code == EINVAL)
  }
}
