import CFakeProvider
import Glibc
import Testing
import Verbs

extension FakeDevice {
  /// Who keeps whom, and what closing reports.
  @Suite(.serialized) struct Ownership {
    /// A queue pair and a region outlive every other reference to what they were made from.
    @Test func childrenKeepTheirParents() throws {
      try onFake {
        func make() throws -> QueuePair {
          let context = try Device.named("fake0").open()
          let channel = try CompletionChannel(context)
          let queue = try CompletionQueue(context, capacity: 4, channel: channel)
          return try QueuePair(try ProtectionDomain(context), send: queue, receive: queue)
        }
        let before = cfake_live()
        let pair = try make()
        // Device list, context, channel, completion queue, protection domain, queue pair.
        #expect(cfake_live() == before + 6)
        #expect(pair.number > 0)
        try pair.close()
        #expect(cfake_live() == before)
      }
    }

    @Test func theEndOfLifeCloses() throws {
      try onFake {
        let before = cfake_live()
        do {
          let domain = try ProtectionDomain(try Device.named("fake0").open())
          let region = try MemoryRegion(domain, allocating: 4096, access: .all)
          #expect(region.bytes.count == 4096 && region.bytes.allSatisfy { $0 == 0 })
        }
        #expect(cfake_live() == before)
      }
    }

    @Test func closingReportsWhatTheSystemSaid() throws {
      try onFake {
        let domain = try ProtectionDomain(try Device.named("fake0").open())
        let region = try MemoryRegion(domain, allocating: 4096, access: .all)
        cfake_fail_next("ibv_dereg_mr", EBUSY)
        do throws(VerbsError) {
          try region.close()
          Issue.record("closing a busy region succeeded")
        } catch {
          #expect(error.code == EBUSY && error.verb == "ibv_dereg_mr")
          #expect(error.description.contains("4096 bytes at 0x"))
          #expect(error.description.contains("still open"))
        }
      }
    }

    @Test func aFailedRegistrationNamesTheLimitOfLockedMemory() throws {
      try onFake {
        let domain = try ProtectionDomain(try Device.named("fake0").open())
        cfake_fail_next("ibv_reg_mr", ENOMEM)
        do {
          let region = try MemoryRegion(domain, allocating: 4096, access: .all)
          Issue.record("registered \(region.bytes.count) bytes")
        } catch let error as VerbsError {
          let text = error.description
          #expect(text.hasPrefix("ibv_reg_mr on 4096 bytes at 0x"))
          #expect(text.contains("ulimit -l") || text.contains("out of memory"))
        }
      }
    }

    @Test(arguments: [
      ("ibv_open_device", EACCES, "permission of /dev/infiniband/uverbs"), ("ibv_alloc_pd", ENOMEM, "fake0"),
      ("ibv_create_cq", EINVAL, "above the device's limit"),
      ("ibv_create_qp", ENOMEM, "queue pair of 128 sends"),
      ("ibv_modify_qp", ENETUNREACH, "not reachable from the chosen GID"),
    ])
    func everyFailureIsASentence(verb: String, code: Int32, part: String) throws {
      try onFake {
        cfake_fail_next(verb, code)
        do {
          let couple = try Couple()
          Issue.record("\(verb) did not fail; made queue pair \(couple.left.number)")
        } catch let error as VerbsError {
          #expect(error.verb == verb && error.code == code)
          let text = error.description.replacing("permission on", with: "permission of")
          #expect(text.contains(part), "\(text)")
        }
      }
    }

    @Test func transitionsInTheWrongOrderSayWhich() throws {
      try onFake {
        let context = try Device.named("fake0").open()
        let queue = try CompletionQueue(context, capacity: 4)
        let pair = try QueuePair(try ProtectionDomain(context), send: queue, receive: queue)
        do throws(VerbsError) {
          try pair.becomeReadyToSend(packetNumber: 0, ConnectionSettings())
          Issue.record("a fresh queue pair became ready to send")
        } catch {
          #expect(error.reason == .invalidTransition(from: .reset, to: .readyToSend))
          #expect(error.description.contains("cannot go from \"reset\" to \"ready to send\""))
        }
      }
    }

    @Test func aBatchTakesNoMoreThanItsCapacity() async {
      await #expect(processExitsWith: .failure) {
        var batch = SendBatch(capacity: 1)
        var nothing = 0
        let buffer = withUnsafePointer(to: &nothing) { LocalBuffer($0, byteCount: 0) }
        batch.chain.send(id: 1, buffer)
        batch.chain.send(id: 2, buffer)
      }
    }
  }
}
