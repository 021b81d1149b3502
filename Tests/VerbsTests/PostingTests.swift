import CFakeProvider
import Glibc
import Testing
import Verbs

extension FakeDevice {
  /// Work requests, from the post to the completion.
  @Suite(.serialized) struct Posting {
    @Test func writeAndReadMoveBytes() throws {
      try onFake {
        let couple = try Couple()
        couple.near.bytes.storeBytes(of: 0x1122_3344, as: UInt64.self)
        var batch = SendBatch(capacity: 2)
        batch.chain.write(
          id: 1, from: couple.near.local(offset: 0, byteCount: 8), to: couple.far.remote(offset: 64),
          flags: .signaled)
        batch.chain.read(
          id: 2, from: couple.far.remote(offset: 64), into: couple.near.local(offset: 128, byteCount: 8),
          flags: .signaled)
        try couple.left.post(batch)
        let completions = try couple.completions()
        #expect(completions.map(\.id) == [1, 2])
        #expect(completions.map(\.operation) == [.write, .read])
        #expect(completions.allSatisfy { $0.status == .success && $0.error == nil })
        #expect(completions.map(\.queuePairNumber) == [couple.left.number, couple.left.number])
        #expect(couple.far.bytes.load(fromByteOffset: 64, as: UInt64.self) == 0x1122_3344)
        #expect(couple.near.bytes.load(fromByteOffset: 128, as: UInt64.self) == 0x1122_3344)
      }
    }

    @Test func atomicsReturnTheValueBefore() throws {
      try onFake {
        let couple = try Couple()
        couple.far.bytes.storeBytes(of: 40, as: UInt64.self)
        var batch = SendBatch(capacity: 3)
        let word = couple.far.remote()
        batch.chain.fetchAdd(id: 1, at: word, addend: 2, old: couple.near.local(offset: 0, byteCount: 8))
        batch.chain.compareAndSwap(
          id: 2, at: word, expected: 42, desired: 7, old: couple.near.local(offset: 8, byteCount: 8))
        batch.chain.compareAndSwap(
          id: 3, at: word, expected: 42, desired: 9, old: couple.near.local(offset: 16, byteCount: 8),
          flags: .signaled)
        try couple.left.post(batch)
        #expect(try couple.completions().map(\.operation) == [.compareAndSwap])
        let old = (0..<3).map { couple.near.bytes.load(fromByteOffset: 8 * $0, as: UInt64.self) }
        #expect(old == [40, 42, 7])
        #expect(couple.far.bytes.load(as: UInt64.self) == 7)
      }
    }

    @Test func aChainIsOneDoorbellAndReportsOnlyWhatIsSignalled() throws {
      try onFake {
        let couple = try Couple()
        var batch = SendBatch(capacity: 16)
        for index in 0..<16 {
          batch.chain.write(
            id: UInt64(index), from: couple.near.local(offset: 0, byteCount: 8),
            to: couple.far.remote(offset: 8 * index))
        }
        batch.chain.addToLast(.signaled)
        let before = cfake_doorbells()
        try couple.left.post(batch)
        #expect(cfake_doorbells() == before + 1)
        #expect(try couple.completions().map(\.id) == [15])
      }
    }

    @Test func inlineDataNeedsNoRegionAndIsLimited() throws {
      try onFake {
        let couple = try Couple(capacity: QueuePairCapacity(inlineByteCount: 32))
        var word: UInt64 = 99
        var batch = SendBatch(capacity: 1)
        try withUnsafeBytes(of: &word) { bytes in
          let source = try #require(bytes.baseAddress)
          batch.chain.write(
            id: 1, from: LocalBuffer(source, byteCount: 8), to: couple.far.remote(),
            flags: [.inline, .signaled])
          try couple.left.post(batch)
        }
        #expect(try couple.completions().first?.status == .success)
        #expect(couple.far.bytes.load(as: UInt64.self) == 99)

        batch.chain.removeAll()
        batch.chain.write(
          id: 2, from: couple.near.local(offset: 0, byteCount: 33), to: couple.far.remote(), flags: .inline)
        #expect(throws: PostError.self) { try couple.left.post(batch) }
      }
    }

    @Test func sendMeetsReceiveWithFourBytesMore() throws {
      try onFake {
        let couple = try Couple()
        try couple.right.postReceive(id: 70, into: couple.far.local(offset: 0, byteCount: 64))
        couple.near.bytes.storeBytes(of: 5, as: UInt64.self)
        var batch = SendBatch(capacity: 1)
        batch.chain.send(
          id: 7, couple.near.local(offset: 0, byteCount: 8), immediate: 0xABCD_0001, flags: .signaled)
        try couple.left.post(batch)
        let completions = try couple.completions()
        let receive = try #require(completions.first { $0.operation == .receive })
        #expect(receive.id == 70 && receive.byteCount == 8 && receive.immediate == 0xABCD_0001)
        let send = try #require(completions.first { $0.operation == .send })
        #expect(send.id == 7 && send.immediate == nil)
        #expect(couple.far.bytes.load(as: UInt64.self) == 5)
      }
    }

    @Test func aWriteWithImmediateTakesAReceive() throws {
      try onFake {
        let couple = try Couple()
        try couple.right.postReceive(id: 70, into: couple.far.local(offset: 0, byteCount: 0))
        var batch = SendBatch(capacity: 1)
        batch.chain.write(
          id: 7, from: couple.near.local(offset: 0, byteCount: 8), to: couple.far.remote(offset: 8),
          immediate: 3)
        try couple.left.post(batch)
        let receive = try #require(try couple.completions().first)
        #expect(receive.operation == .receiveOfWrite && receive.immediate == 3)
      }
    }

    @Test func aRefusedPostSaysHowFarItCame() throws {
      try onFake {
        let couple = try Couple()
        var batch = SendBatch(capacity: 4)
        for index in 0..<4 {
          batch.chain.write(
            id: UInt64(index), from: couple.near.local(offset: 0, byteCount: 8), to: couple.far.remote(),
            flags: .signaled)
        }
        cfake_refuse_post_at(2)
        let error = #expect(throws: PostError.self) { try couple.left.post(batch) }
        #expect(error?.code == ENOMEM && error?.postedCount == 2)
        #expect(error?.description.contains("the queue is full") == true)
        #expect(try couple.completions().map(\.id) == [0, 1])
      }
    }

    @Test func postingBeforeReadyIsRefused() throws {
      try onFake {
        let context = try Device.named("fake0").open()
        let queue = try CompletionQueue(context, capacity: 4)
        let pair = try QueuePair(try ProtectionDomain(context), send: queue, receive: queue)
        var batch = SendBatch(capacity: 1)
        var nothing = 0
        withUnsafePointer(to: &nothing) { batch.chain.send(id: 1, LocalBuffer($0, byteCount: 0)) }
        let error = #expect(throws: PostError.self) { try pair.post(batch) }
        #expect(error?.code == EINVAL && error?.postedCount == 0)
      }
    }

    @Test func aWrongKeyFailsAndTheRestIsFlushed() throws {
      try onFake {
        let couple = try Couple()
        var batch = SendBatch(capacity: 2)
        let wrong = RemoteBuffer(address: couple.far.remote().address, key: 1)
        batch.chain.write(id: 1, from: couple.near.local(offset: 0, byteCount: 8), to: wrong)
        batch.chain.write(id: 2, from: couple.near.local(offset: 0, byteCount: 8), to: couple.far.remote())
        try couple.left.post(batch)
        let completions = try couple.completions()
        #expect(completions.map(\.status) == [.remoteAccessError, .flushed])
        let error = try #require(completions.first?.error)
        #expect(
          error.description.contains("remote key is wrong") && error.description.contains("vendor code 77"))
        let state = try couple.left.attributes().state
        #expect(state == .error)
      }
    }

    @Test func accessOfTheRegionIsHonoured() throws {
      try onFake {
        let couple = try Couple(farAccess: [.localWrite, .remoteRead])
        var batch = SendBatch(capacity: 1)
        batch.chain.write(id: 1, from: couple.near.local(offset: 0, byteCount: 8), to: couple.far.remote())
        try couple.left.post(batch)
        #expect(try couple.completions().map(\.status) == [.remoteAccessError])
      }
    }

    @Test func anUnknownStatusIsKept() throws {
      try onFake {
        let couple = try Couple()
        var batch = SendBatch(capacity: 1)
        batch.chain.read(id: 1, from: couple.far.remote(), into: couple.near.local(offset: 0, byteCount: 8))
        cfake_complete_next_with(99)
        try couple.left.post(batch)
        let completion = try #require(try couple.completions().first)
        #expect(completion.status.rawValue == 99 && completion.status.description == "unknown (99)")
        #expect(completion.error?.description.contains("does not know the status") == true)
      }
    }
  }
}
