import CFakeProvider
import Fabric
import Glibc
import Testing
import Verbs

@testable import VerbsFabric

extension FakeFabric {
  /// Settings out of range, and lengths of queues on small devices.
  @Suite(.serialized) struct Settings {
    @Test(arguments: [
      "MERINO_LANES": settings { $0.laneCount = 0 }, "MERINO_LANES=5": settings { $0.laneCount = 5 },
      "MERINO_QUEUE_LENGTH=15": settings { $0.queueLength = 15 },
      "MERINO_QUEUE_LENGTH=4097": settings { $0.queueLength = 4097 },
      "MERINO_PKEY_INDEX=65536": settings { $0.partitionKeyIndex = 65_536 },
      "MERINO_SERVICE_LEVEL=16": settings { $0.serviceLevel = 16 },
      "MERINO_TRAFFIC_CLASS=256": settings { $0.trafficClass = 256 },
      "MERINO_GID_INDEX=256": settings { $0.gidIndex = 256 },
      "MERINO_GID_INDEX=-1": settings { $0.gidIndex = -1 },
      "MERINO_ACK_TIMEOUT=0": settings { $0.acknowledgeTimeoutExponent = 0 },
      "MERINO_ACK_TIMEOUT=32": settings { $0.acknowledgeTimeoutExponent = 32 },
      "MERINO_RETRY_COUNT=8": settings { $0.retryCount = 8 },
    ])
    func whatIsOutOfRangeIsNamed(name: String, settings: VerbsSettings) throws {
      try onFake {
        let error = #expect(throws: VerbsFabricError.self) { try PortChoice(settings) }
        guard case .setting(let sentence) = error else {
          Issue.record("no setting: \(String(describing: error))")
          return
        }
        #expect(sentence.hasPrefix(name) && sentence.contains("is out of range"))
      }
    }

    @Test func theBoundsAreAllowed() throws {
      try settings {
        $0.laneCount = 4
        $0.queueLength = 4096
        $0.partitionKeyIndex = 65_535
        $0.serviceLevel = 15
        $0.trafficClass = 255
        $0.gidIndex = 255
        $0.acknowledgeTimeoutExponent = 31
        $0.retryCount = 0
      }.check()
    }

    @Test(arguments: ["fake0:", "fake0:x", "fake0:0", ":1"]) func aDeviceThatNamesNone(device: String) throws
    {
      try onFake {
        let error = #expect(throws: VerbsFabricError.self) {
          try PortChoice(settings { $0.device = device })
        }
        #expect(error?.description.contains("MERINO_DEVICE=\(device) names no device") == true)
      }
    }

    // MARK: Lengths of queues

    private func device(pairs: Int = 1000, entries: Int = 65_536, requests: Int = 1024) -> DeviceAttributes {
      var attributes = DeviceAttributes()
      attributes.maximumQueuePairCount = pairs
      attributes.maximumCompletionEntries = entries
      attributes.maximumRequestsPerQueue = requests
      return attributes
    }

    @Test(arguments: [
      // nodes, lanes, asked, entries, requests, length
      [2, 1, 256, 65_536, 1024, 256], [2, 1, 255, 65_536, 1024, 128], [2, 1, 4096, 65_536, 1024, 1024],
      [2, 1, 4096, 1_000_000, 5000, 4096], [100, 4, 256, 65_536, 1024, 128], [200, 4, 256, 65_536, 1024, 64],
      [64, 1, 256, 1024, 1024, 16], [2, 1, 16, 65_536, 1024, 16], [2, 1, 256, 65_536, 40, 32],
    ])
    func theLongestThatFits(values: [Int]) throws {
      let wanted = settings {
        $0.laneCount = values[1]
        $0.queueLength = values[2]
      }
      let length = try QueueLength.fitting(
        device(entries: values[3], requests: values[4]), wanted, nodeCount: values[0])
      #expect(length == values[5])
      // All ends of all requests fit into the completion queue.
      #expect(length * values[0] * values[1] <= values[3])
    }

    @Test func jobsThatAreTooLargeForTheDevice() throws {
      let few = #expect(throws: VerbsFabricError.self) {
        try QueueLength.fitting(device(pairs: 100), settings { $0.laneCount = 4 }, nodeCount: 25)
      }
      #expect(few?.description.contains("has 100 queue pairs and 104 are needed; set MERINO_LANES") == true)
      #expect(
        try QueueLength.fitting(device(pairs: 104), settings { $0.laneCount = 4 }, nodeCount: 25) == 256)
      let short = #expect(throws: VerbsFabricError.self) {
        try QueueLength.fitting(device(entries: 1023), VerbsSettings(), nodeCount: 64)
      }
      #expect(short?.description.contains("have 1023 entries, too few for 64 connections") == true)
    }

    @Test(arguments: [(4096, 128), (128, 128), (100, 64), (63, 32), (0, 0)])
    func theLongestInlineDataThatTheDeviceTakes(limit: Int32, granted: Int) throws {
      try onFake {
        cfake_limit_inline(limit)
        let node = try TestJob(1).nodes[0]
        #expect(node.fabric.inlineLimit == granted)
        node.local(0).storeBytes(of: 9, as: UInt64.self)
        let failure = node.run(to: node) {
          node.fabric.write(&$0, from: node.local(0), byteCount: 8, to: node.remote(64, as: node))
        }
        #expect(failure == nil && node.word(64) == 9)
      }
    }

    /// A failure that is none of the inline data's is tried once more with less.
    @Test func aQueuePairThatIsRefusedOnce() throws {
      try onFake {
        cfake_fail_next("ibv_create_qp", ENOMEM)
        let memory = TestMemory()
        let endpoint = try TestJob.endpoint(0, of: 1, memory)
        #expect(endpoint.capacity.inlineByteCount == 64)
      }
    }
  }
}
