import Testing

@testable import Merino

/// What other nodes announce when they join: looked at before it is used, or it would end this process.
@Suite struct AnnouncementTests {
  private func announcement() throws -> Announcement { try Announcement(ClusterOptions()) }

  private func error(_ all: [Announcement]) -> MerinoError? {
    do throws(MerinoError) {
      _ = try Agreement(all)
      return nil
    } catch {
      return error
    }
  }

  @Test func itComesBack() throws {
    var mine = try announcement()
    mine.capacityByteCount = 3 << 30
    mine.logEntryCount = 4096
    mine.room = HostRoom(
      memoryByteCount: 5, addressByteCount: 6, fileByteCount: 7, promiseByteCount: 8)
    let read = Announcement(mine.bytes)
    #expect(read.words == mine.words && mine.bytes.count == Announcement.byteCount)
    #expect(Announcement(mine.bytes + [1, 2, 3]).words == mine.words)
    #expect(Announcement([]).version == 0)
  }

  /// A number of which only another node says one, so that nothing disagrees with it.
  @Test(
    arguments: [
      (\Announcement.capacityByteCount, "capacity (MERINO_CAPACITY)"), (\.lockCount, "MERINO_LOCKS"),
      (\.lockSlotCount, "MERINO_LOCK_SLOTS"), (\.segmentCount, "MERINO_SEGMENTS"),
      (\.logEntryCount, "MERINO_LOG_ENTRIES"),
    ] as [(WritableKeyPath<Announcement, UInt64> & Sendable, String)])
  func aNumberOutOfRangeIsRefused(field: WritableKeyPath<Announcement, UInt64> & Sendable, name: String)
    throws
  {
    for value: UInt64 in [.max, 1 << 63, 1 << 62, 1 << 47] {
      var theirs = try announcement()
      theirs[keyPath: field] = value
      let found = error([try announcement(), theirs])
      #expect(found?.code == .mismatch, "\(name) \(value)")
      #expect(
        found?.description.contains("node 1 announced \(value) as the ") == true,
        "\(found?.description ?? "")")
      #expect(found?.description.contains(name) == true, "\(found?.description ?? "")")
    }
  }

  @Test func pagesThatNoHostHasAreRefused() throws {
    for size: UInt64 in [0, 3, 12_288, .max] {
      var all = [try announcement(), try announcement()]
      for node in all.indices { all[node].pageByteCount = size }
      #expect(error(all) != nil, "\(size)")
    }
  }

  /// Whatever bytes come: an agreement or a sentence.
  @Test func anyBytesAreAnAgreementOrASentence() throws {
    let mine = try announcement()
    let offer = FabricOffer(
      request: .auto, hasDevice: true, hasAddress: true, laneCount: 2, method: .auto, reason: "a device")
    var state: UInt64 = 1
    func random(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(truncatingIfNeeded: state >> 33) % count
    }
    var (agreed, refused) = (0, 0)
    for _ in 0..<20_000 {
      var bytes = mine.bytes + offer.bytes
      for _ in 0...random(3) {
        bytes[random(2) == 0 ? random(bytes.count) : 16 + random(Announcement.byteCount - 24)] =
          [0, 1, 0x7F, 0x80, 0xFF][random(5)]
      }
      if random(8) == 0 { bytes.removeLast(random(bytes.count)) }
      let theirs = FabricOffer(Array(bytes.dropFirst(Announcement.byteCount)))
      do {
        _ = try Agreement([mine, Announcement(bytes)], isRegistered: random(2) == 0)
        if let theirs {
          _ = try FabricChoice.decide([offer, theirs], hosts: ["a", "b"], areTogether: random(2) == 0)
        }
        agreed += 1
      } catch {
        refused += 1
        #expect("\(error)".hasPrefix("could not join: "))
      }
    }
    #expect(agreed > 500 && refused > 5000, "\(agreed) \(refused)")
  }
}
