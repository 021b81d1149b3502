import Testing

@testable import Merino

/// What the limit of locked memory leaves of a capacity that nobody asked for, and what is said where it is
/// too low.
@Suite struct LockedMemoryTests {
  private func agreement(
    _ nodeCount: Int, mebibytes: Int?, capacity: Int? = nil, isRegistered: Bool = true
  ) throws -> Agreement {
    var options = ClusterOptions()
    options.capacityByteCount = capacity
    var announcement = try Announcement(options)
    announcement.room = HostRoom(memoryByteCount: 16 << 30)
    announcement.lockableByteCount = mebibytes.map { UInt64($0) << 20 } ?? ~0
    // One node's lower limit counts for all.
    var all = Array(repeating: announcement, count: nodeCount)
    for node in all.indices.dropLast() { all[node].lockableByteCount = ~0 }
    return try Agreement(all, isRegistered: isRegistered)
  }

  private func control(_ agreement: Agreement) -> Int { Agreement.layout(agreement.configuration).byteCount }

  /// As the fabric says it where control memory cannot be registered.
  private let refused = MerinoError(
    .outOfMemory, "could not register this node's control memory: raise memlock.")

  @Test(arguments: [2, 3, 4, 8]) func theDefaultLeavesRoomForChunks(nodeCount: Int) throws {
    for mebibytes in [8, 16, 64, 256] {
      let registered = try agreement(nodeCount, mebibytes: mebibytes)
      let free = mebibytes << 20 - control(registered)
      #expect(free >= Agreement.chunkByteCount, "\(nodeCount) nodes, \(mebibytes) MiB: \(free) bytes")
      let isBound = registered.configuration.capacityByteCount < Agreement.registeredDefaultCapacity
      #expect(registered.capacityBound == (isBound ? .lockedMemory(UInt64(mebibytes) << 20) : nil))
    }
    let free = try agreement(nodeCount, mebibytes: nil)
    #expect(free.configuration.capacityByteCount == Agreement.registeredDefaultCapacity)
    #expect(free.capacityBound == nil)
  }

  /// The host fabric locks nothing.
  @Test(arguments: [0, 1, 8]) func withoutADeviceTheLimitDecidesNothing(mebibytes: Int) throws {
    let limited = try agreement(2, mebibytes: mebibytes, isRegistered: false)
    let free = try agreement(2, mebibytes: nil, isRegistered: false)
    #expect(limited.configuration == free.configuration)
    #expect(limited.capacityBound == nil)
  }

  @Test func aCapacityThatFitsIsNamed() throws {
    let large = try agreement(2, mebibytes: 8, capacity: 64 << 30)
    let fitting = try #require(large.capacityThatFits)
    #expect(
      large.advising(refused).description
        == "could not register this node's control memory: raise memlock; or set MERINO_CAPACITY=1G or less "
        + "on all nodes, which needs less control memory.")
    #expect(Agreement.capacityText(fitting) == "1G")
    // It fits, and twice as much does not.
    let chunk = Agreement.chunkByteCount
    #expect(control(try agreement(2, mebibytes: 8, capacity: fitting)) + chunk <= 8 << 20)
    #expect(control(try agreement(2, mebibytes: 8, capacity: 2 * fitting)) + chunk > 8 << 20)
  }

  @Test func whereNoneFitsThatIsSaid() throws {
    let alone = try agreement(1, mebibytes: 8)
    #expect(alone.capacityThatFits == nil)
    #expect(
      alone.advising(refused).description
        == "could not register this node's control memory: raise memlock; no MERINO_CAPACITY is small enough "
        + "for this limit; fewer locks (MERINO_LOCKS) and more nodes need less control memory.")
    #expect(try agreement(2, mebibytes: 0, capacity: 2 << 20).capacityThatFits == nil)
  }

  /// Other failures, and failures that no limit explains, stay as they are.
  @Test func otherErrorsStay() throws {
    let large = try agreement(2, mebibytes: 8, capacity: 64 << 30)
    let other = MerinoError(.fabric, "could not connect.")
    #expect(large.advising(other).description == other.description)
    #expect(try agreement(2, mebibytes: nil).advising(refused).description == refused.description)
    #expect(try agreement(2, mebibytes: 64).advising(refused).description == refused.description)
  }

  @Test(arguments: [
    (2 << 20, "2M"), (512 << 20, "512M"), (1 << 30, "1G"), (32 << 30, "32G"), (2 << 40, "2T"),
  ])
  func capacitiesAreWrittenAsTheyAreRead(byteCount: Int, text: String) {
    #expect(Agreement.capacityText(byteCount) == text)
  }
}
