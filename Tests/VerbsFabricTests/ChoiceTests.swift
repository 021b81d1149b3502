import CFakeProvider
import Fabric
import Glibc
import Testing
import Verbs

@testable import VerbsFabric

extension FakeFabric {
  /// Devices, ports, addresses: what is chosen before anything is connected.
  @Suite(.serialized) struct Choices {
    // MARK: Devices

    @Test(arguments: [nil, "fake0", "fake0:1"]) func theFirstDeviceThatDoes(device: String?) throws {
      try onFake {
        let choice = try PortChoice(settings { $0.device = device })
        #expect(choice.name == "fake0:1" && choice.address == "192.0.2.1" && choice.gidIndex == 1)
        #expect(choice.reason.contains("device fake0 port 1"))
        #expect(choice.isSoftware)
      }
    }

    @Test(arguments: [
      ("fake0:2", "port 2 was demanded"), ("fake1", "the port is down"), ("fake2", "no atomic operations"),
      ("mlx5_9", "mlx5_9 was demanded"),
    ])
    func devicesThatDoNotDo(device: String, why: String) throws {
      try onFake {
        let error = #expect(throws: VerbsFabricError.self) {
          try PortChoice(settings { $0.device = device })
        }
        let sentence = error?.description ?? ""
        #expect(sentence.contains(why))
        // There are devices: nobody should look for drivers.
        #expect(
          sentence.hasPrefix(
            "could not choose a port of an RDMA device: ibv_get_device_list on this host found no port that "
              + "can be used: fake0"))
        #expect(!sentence.contains("found nothing"))
        #expect(sentence.hasSuffix(".") && !sentence.contains("..") && !sentence.contains(".;"))
      }
    }

    /// A device that cannot be opened is passed over with its whole reason, and the sentence ends once.
    @Test func aDeviceThatCannotBeOpened() throws {
      try onFake {
        cfake_fail_next("ibv_open_device", EACCES)
        let error = #expect(throws: VerbsFabricError.self) {
          try PortChoice(settings { $0.device = "fake0" })
        }
        let sentence = error?.description ?? ""
        #expect(sentence.contains("ibv_open_device on device fake0 failed: Permission denied"))
        #expect(sentence.hasSuffix(".") && !sentence.contains("..") && !sentence.contains(".;"))
      }
    }

    /// On older kernels memory that is registered afterwards would not survive the program's fork().
    @Test func forksArePreparedForFirst() throws {
      try onFake {
        let before = cfake_fork_preparations()
        _ = try PortChoice(VerbsSettings())
        #expect(cfake_fork_preparations() == before + 1)
      }
    }

    // MARK: Addresses

    @Test func aPortWithoutAddressConnectsByExchange() throws {
      try onFake {
        cfake_set_port(2, 1)
        let choice = try PortChoice(VerbsSettings())
        #expect(choice.address == nil && choice.gidIndex == 0 && choice.reason.contains("no IP address"))
        let job = try TestJob(2, byAddress: false)
        let (near, far) = (job.nodes[0], job.nodes[1])
        #expect(read(near, far) == nil)
        let memory = TestMemory()
        let error = #expect(throws: VerbsFabricError.self) {
          try TestJob.endpoint(0, of: 1, byAddress: true, memory)
        }
        #expect(error?.description.contains("its port has no IP address") == true)
      }
    }

    @Test func anEthernetPortWithoutGIDIsOfNoUse() throws {
      try onFake {
        cfake_set_port(2, 0)
        let error = #expect(throws: VerbsFabricError.self) { try PortChoice(VerbsSettings()) }
        // Not a setting: without a demand for RDMA the job goes on without it.
        guard case .refused(let sentence) = error else {
          Issue.record("not refused: \(String(describing: error))")
          return
        }
        #expect(sentence.contains("its port 1 has no GID") && sentence.contains("ip link set"))
      }
    }

    @Test func infiniBandNeedsNoGID() throws {
      try onFake {
        cfake_set_port(1, 0)
        let choice = try PortChoice(VerbsSettings())
        #expect(choice.gidIndex == nil && choice.address == nil)
        let job = try TestJob(2, byAddress: false)
        let (near, far) = (job.nodes[0], job.nodes[1])
        #expect(read(near, far) == nil)
      }
    }

    @Test(arguments: [(7 as UInt32, 1, "192.0.2.1"), (5, 2, "2001:0db8:0000:0000:0000:0000:0000:0001")])
    func theBestGID(gids: UInt32, index: Int, address: String) throws {
      try onFake {
        cfake_set_port(2, gids)
        let choice = try PortChoice(VerbsSettings())
        #expect(choice.gidIndex == index && choice.address == address)
      }
    }

    @Test func aDemandedGIDMustBeThere() throws {
      try onFake {
        let demanded = try PortChoice(settings { $0.gidIndex = 0 })
        #expect(demanded.gidIndex == 0)
        let error = #expect(throws: VerbsFabricError.self) { try PortChoice(settings { $0.gidIndex = 2 }) }
        #expect(error?.description.contains("MERINO_GID_INDEX=2: port 1 of fake0 has no GID there") == true)
      }
    }

    /// Tables have up to hundreds of entries: one call reads them.
    @Test func theTableOfGIDsIsReadAtOnce() throws {
      try onFake {
        let (single, whole) = (cfake_gid_queries(), cfake_gid_table_queries())
        _ = try PortChoice(VerbsSettings())
        #expect(cfake_gid_queries() == single)
        #expect(cfake_gid_table_queries() == whole + 1)
      }
    }

    @Test func anAddressOfAnotherInterface() throws {
      try onFake {
        let memory = TestMemory()
        let error = #expect(throws: VerbsFabricError.self) {
          try TestJob.endpoint(0, of: 1, memory, settings { $0.address = "198.51.100.7" })
        }
        #expect(error?.description.contains("198.51.100.7 does not lead to it") == true)
      }
    }
  }
}
