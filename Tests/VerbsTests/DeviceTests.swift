import CFakeProvider
import Glibc
import Testing
import Verbs

extension FakeDevice {
  /// Devices, their choice, and their events.
  @Suite(.serialized) struct Devices {
    @Test func devicesAreListedWithTheirAttributes() throws {
      try onFake {
        #expect(try Device.all().map(\.name) == ["fake0", "fake1", "fake2"])
        let context = try Device.named("fake0").open()
        let attributes = try context.attributes()
        #expect(attributes.firmwareVersion == "1.2.3" && attributes.atomics == .device)
        // The fake has no extended attributes: what it does not know, it does not have.
        #expect(try !context.hasOnDemandPaging())
        let port = try context.portAttributes(1)
        #expect(port.state == .active && port.linkLayer == .ethernet && port.activeMTU.byteCount == 4096)
        #expect(throws: VerbsError.self) { try context.portAttributes(2) }
        let gids = try context.globalIdentifiers(port: 1)
        #expect(gids.map(\.index) == [0, 1])
        #expect(
          gids.map(\.identifier.description) == ["fe80:0000:0000:0000:0000:0000:0000:0001", "192.0.2.1"])
        #expect(gids[0].identifier.isLinkLocal && !gids[1].identifier.isLinkLocal)
      }
    }

    @Test func aMissingDeviceIsAnErrorThatNamesTheOthers() throws {
      try onFake {
        let error = #expect(throws: VerbsError.self) { try Device.named("mlx5_9") }
        #expect(error?.description.contains("fake0, fake1, fake2") == true)
      }
    }

    @Test func aHostWithoutDevicesHasNone() throws {
      try onFake {
        cfake_fail_next("ibv_get_device_list", ENOSYS)
        let devices = try Device.all()
        #expect(devices.isEmpty)
        cfake_fail_next("ibv_get_device_list", ENOSYS)
        let error = #expect(throws: VerbsError.self) { try DeviceSelection.first(DeviceRequirements()) }
        #expect(
          error?.description == "ibv_get_device_list on this host found nothing: it has no RDMA device.")
        cfake_fail_next("ibv_get_device_list", EPERM)
        #expect(throws: VerbsError.self) { try Device.all() }
      }
    }

    @Test func theFirstThatSuitsIsChosenAndTheOthersHaveReasons() throws {
      try onFake {
        var requirements = DeviceRequirements()
        requirements.needsAtomics = true
        let selection = try DeviceSelection.first(requirements)
        #expect(
          selection.context.deviceName == "fake0" && selection.port == 1 && selection.passedOver.isEmpty)

        requirements.linkLayer = .infiniBand
        let error = #expect(throws: VerbsError.self) { try DeviceSelection.first(requirements) }
        let text = try #require(error?.description)
        #expect(text.contains("fake0 port 1: its link layer is Ethernet"))
        #expect(text.contains("fake2 port 1: it has no atomic operations"))
      }
    }

    @Test func aDemandedDeviceThatIsDownIsNotReplaced() throws {
      try onFake {
        var requirements = DeviceRequirements()
        requirements.deviceName = "fake1"
        let error = #expect(throws: VerbsError.self) { try DeviceSelection.first(requirements) }
        let text = try #require(error?.description)
        #expect(text.contains("found no port that can be used: ") && !text.contains("found nothing"))
        #expect(text.contains("fake1 port 1: the port is down"))
        #expect(text.contains("fake0: the device fake1 was demanded"))
      }
    }

    @Test func aDeviceThatCannotBeOpenedIsPassedOver() throws {
      try onFake {
        cfake_fail_next("ibv_open_device", EACCES)
        let selection = try DeviceSelection.first(DeviceRequirements())
        #expect(selection.context.deviceName == "fake2")
        #expect(selection.passedOver.first?.description.contains("/dev/infiniband/uverbs") == true)
      }
    }

    @Test func asynchronousEventsNameTheirSubject() throws {
      try onFake {
        let couple = try Couple()
        let context = couple.domain.context
        #expect(try context.nextAsyncEvent(timeoutMilliseconds: 0) == nil)
        cfake_raise_async(10, 1, 0)
        let port = try #require(try context.nextAsyncEvent(timeoutMilliseconds: 1000))
        #expect(port.kind == .portError && port.subject == .port(1))
        cfake_raise_async(1, 0, couple.left.number)
        let pair = try #require(try context.nextAsyncEvent(timeoutMilliseconds: 1000))
        #expect(pair.kind == .queuePairFatal && pair.subject == .queuePair(number: couple.left.number))
        cfake_raise_async(250, 0, 0)
        let unknown = try #require(try context.nextAsyncEvent(timeoutMilliseconds: 1000))
        #expect(unknown.kind.description == "unknown (250)" && unknown.subject == .device)
      }
    }

    @Test func aCompletionChannelWakesOncePerRequest() throws {
      try onFake {
        let couple = try Couple(channel: true)
        let channel = try #require(couple.queue.channel)
        var batch = SendBatch(capacity: 1)
        batch.chain.write(
          id: 1, from: couple.near.local(offset: 0, byteCount: 8), to: couple.far.remote(), flags: .signaled)
        try couple.left.post(batch)
        #expect(try channel.wait(timeoutMilliseconds: 0) == nil, "nothing asked for an event")
        try couple.queue.requestNotification()
        try couple.left.post(batch)
        #expect(try channel.wait(timeoutMilliseconds: 1000) == couple.queue.id)
        #expect(try couple.queue.wait(timeoutMilliseconds: 1000)?.id == 1)
        #expect(try couple.queue.wait(timeoutMilliseconds: 1000)?.id == 1)
        #expect(try couple.queue.wait(timeoutMilliseconds: 20)?.id == nil)
      }
    }

    @Test func aFailedPollIsAnError() throws {
      try onFake {
        let couple = try Couple()
        cfake_fail_next("ibv_poll_cq", EIO)
        #expect(throws: VerbsError.self) { try couple.queue.pollOne() }
      }
    }
  }
}
