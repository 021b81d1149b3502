import Coherence
import Testing

@testable import Merino

/// The sizes of a job where nobody asks for others.
@Suite struct DefaultsTests {
  private static let open = HostRoom(memoryByteCount: 16 << 30)

  private func agreement(
    _ nodeCount: Int, _ room: HostRoom, nodesPerHost: Int? = nil, isRegistered: Bool = false
  ) throws -> Agreement {
    var announcement = try Announcement(ClusterOptions())
    announcement.lockableByteCount = ~0
    // The node with the least room counts for all.
    announcement.room = HostRoom(memoryByteCount: room.memoryByteCount)
    var all = Array(repeating: announcement, count: nodeCount)
    all[nodeCount - 1].room = room
    return try Agreement(all, nodesPerHost: nodesPerHost ?? nodeCount, isRegistered: isRegistered)
  }

  @Test(arguments: [
    (0, 64), (16, 64), (32, 64), (33, 128), (1024, 2048), (3000, 8192), (8192, 16_384), (1 << 30, 16_384),
  ])
  func theCapacityHasRoomForTheMemoryTwice(gibibytesOfMemory: Int, gibibytes: Int) throws {
    let room = HostRoom(memoryByteCount: UInt64(gibibytesOfMemory) << 30)
    let found = try agreement(2, room)
    #expect(found.configuration.capacityByteCount == gibibytes << 30)
    #expect(found.capacityBound == nil)
  }

  /// Whatever the host and the job, what each process reserves fits into 47 bits with room to spare.
  @Test(arguments: [1, 2, 3, 17, 64, 256, 1024], [16 << 30, 1 << 40, 64 << 40])
  func theAddressesOfAllNodesFitIntoAProcess(nodeCount: Int, memory: UInt64) throws {
    let found = try agreement(nodeCount, HostRoom(memoryByteCount: memory))
    let c = found.configuration
    let addresses = try #require(Agreement.addressByteCount(c, isRegistered: false))
    #expect(addresses <= 126 << 40)
    #expect(c.capacityByteCount >= Agreement.leastReservedCapacity)
    #expect(c.lockCount == 1 << 24 && c.lockSlotCount == 65_536 && c.shapeCount == 65_535)
    if c.capacityByteCount < Agreement.reservedCapacity(memoryByteCount: memory) {
      #expect(found.capacityBound == .nodes(nodeCount))
    }
  }

  /// Control memory is pinned there, all of it.
  @Test func whatIsRegisteredIsSmall() throws {
    let c = try agreement(2, HostRoom(memoryByteCount: 1 << 40), isRegistered: true).configuration
    let tables = Configuration(nodeCount: 2, pageCount: 0)
    #expect(c.capacityByteCount == Agreement.registeredDefaultCapacity)
    #expect(c.lockCount == tables.lockCount && c.lockSlotCount == tables.lockSlotCount)
    #expect(c.shapeCount == tables.shapeCount)
    #expect(Agreement.layout(c).byteCount < 100 << 20)
  }

  /// Each kind of limit makes the tables small and the capacity what there is room for, and is named.
  @Test func aLimitOfWhatIsReservedIsKept() throws {
    var room = Self.open
    room.addressByteCount = 8 << 30
    let few = try agreement(4, room)
    #expect(few.capacityBound == .addresses(8 << 30))
    #expect(few.configuration.lockCount == 65_536)
    #expect(try #require(Agreement.addressByteCount(few.configuration, isRegistered: false)) <= 4 << 30)
    room = Self.open
    room.fileByteCount = 1 << 30
    let short = try agreement(4, room)
    #expect(short.capacityBound == .fileSize(1 << 30))
    #expect(short.configuration.capacityByteCount == 1 << 30)
    room = Self.open
    room.promiseByteCount = 8 << 30
    let counted = try agreement(4, room)
    #expect(counted.capacityBound == .promises(8 << 30))
    let local = NodeFiles.localByteCount(counted.configuration)
    #expect(4 * local <= 4 << 30 && 8 * local > 4 << 30)
    let spread = try agreement(4, room, nodesPerHost: 1)
    #expect(spread.configuration.capacityByteCount == 2 * counted.configuration.capacityByteCount * 2)
    for found in [few, short, counted] {
      #expect(found.capacityBound?.clause.isEmpty == false)
    }
  }

  /// With no room at all there is still a job to try; who started it is told by what fails.
  @Test func withoutRoomTheCapacityIsTheSmallest() throws {
    var room = Self.open
    room.addressByteCount = 0
    #expect(try agreement(2, room).configuration.capacityByteCount == Agreement.smallestDefaultCapacity)
  }

  @Test func whatIsAskedForIsTaken() throws {
    var announcement = try Announcement(ClusterOptions())
    announcement.room = Self.open
    announcement.room.addressByteCount = 1 << 30
    announcement.capacityByteCount = 1 << 40
    announcement.lockCount = 500
    announcement.segmentCount = 50
    let found = try Agreement([announcement])
    #expect(found.configuration.capacityByteCount == 1 << 40 && found.capacityBound == nil)
    #expect(found.configuration.lockCount == 500 && found.configuration.shapeCount == 50)
  }

  @Test func thisProcessHasRoom() {
    let room = HostRoom.now()
    #expect(room.memoryByteCount > 1 << 28)
  }
}
