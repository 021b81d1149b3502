import CBootstrap
import Glibc
import Testing

@testable import Bootstrap

/// The server alone, on the test's own thread, against processes and against nonsense.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct RendezvousServerTests {
  /// A server and what it reports.
  final class Rig {
    let scratch = Scratch()
    let loop = EventLoop()
    private(set) var server: RendezvousServer?
    var reports: [String] = []
    var onReport: (RendezvousServer.Report) -> Void = { _ in }
    var path: String { scratch.path + "/rendezvous" }

    init(nodeCount: Int, joinTimeoutMilliseconds: Int = 10_000) throws {
      server = try RendezvousServer(
        loop: loop, path: path, nodeCount: nodeCount, joinTimeoutMilliseconds: joinTimeoutMilliseconds
      ) { [unowned self] report in
        reports.append("\(report)")
        onReport(report)
      }
    }

    func environment(node: Int, of nodeCount: Int) -> [String: String] {
      JobEnvironment(node: node, nodeCount: nodeCount, rendezvous: path).assignments
    }

    /// Serves until the condition holds; false when ten seconds are over.
    func serve(until condition: () -> Bool) -> Bool {
      eventually {
        loop.runOnce(withinMilliseconds: 5)
        return condition()
      }
    }

    func finish(_ command: RunningCommand) -> Finished {
      #expect(serve { !runs(command.process) })
      return command.wait()
    }
  }

  private func hello(node: Int, of nodeCount: Int, timeoutMilliseconds: Int = 0) -> Hello {
    Hello(node: node, nodeCount: nodeCount, timeoutMilliseconds: timeoutMilliseconds, member: .current())
  }

  /// Says hello from this very process; the answer is read with `receive`.
  private func connect(_ rig: Rig, _ hello: Hello) throws -> CallChannel {
    var channel = try CallChannel(connectingTo: rig.path)
    var pair: [Int32] = [-1, -1]
    #expect(cbootstrap_event_pair(&pair) == 0)
    try channel.send(hello.message(eventDescriptor: pair[1]))
    close(pair[0])
    return channel
  }

  private func failure(_ channel: inout CallChannel) -> BootstrapError? {
    do throws(BootstrapError) {
      _ = try channel.receive(withinMilliseconds: 0)
      return nil
    } catch {
      return error
    }
  }

  @Test func aLossReachesCallsAndEventsOfTheOthers() throws {
    let rig = try Rig(nodeCount: 3)
    rig.onReport = { [unowned rig] report in
      if case .disconnected(let node, _) = report {
        rig.server?.declareLost(node, how: "node \(node) fell over.")
      }
    }
    let nodes = try (0..<3).map {
      try RunningCommand([Tool.probe, "survive"], environment: rig.environment(node: $0, of: 3))
    }
    for node in [0, 2] {
      let run = rig.finish(nodes[node])
      #expect(
        run.code == 0 && run.output == "call peerLost 1: node 1 fell over.\nevent 1: node 1 fell over.\n",
        "\(run)")
    }
    #expect(rig.finish(nodes[1]).code == 128 + SIGKILL)
    #expect(rig.reports.filter { $0.hasPrefix("left") }.count == 2, "\(rig.reports)")
  }

  @Test(.enabled(if: geteuid() == 0, "only root can run a process as another user"))
  func anotherUserIsRefused() throws {
    let rig = try Rig(nodeCount: 1)
    // The directory keeps others out as well: here it must not, the socket's own check is meant.
    chmod(rig.scratch.path, 0o711)
    chmod(rig.path, 0o777)
    let command = try RunningCommand(
      [Tool.probe, "as-user", "65534"], environment: rig.environment(node: 0, of: 1))
    let run = rig.finish(command)
    // The node does not trust another user's launcher either, and says so before it is refused.
    #expect(run.code == 9 && run.output.contains("must run as the same user"), "\(run)")
    #expect(rig.reports.isEmpty, "\(rig.reports)")
  }

  @Test(.enabled(if: geteuid() == 0, "only root can run a process as another user"))
  func serverRefusesAnotherUserWhoInsists() throws {
    let rig = try Rig(nodeCount: 1)
    chmod(rig.scratch.path, 0o711)
    chmod(rig.path, 0o777)
    let answer = try RunningCommand([Tool.probe, "insist-as-user", "65534", rig.path])
    let run = rig.finish(answer)
    #expect(run.output.contains("runs as user 65534 and the job belongs to user 0"), "\(run)")
    #expect(rig.reports.isEmpty, "\(rig.reports)")
  }

  @Test func anotherVersionIsRefused() throws {
    let rig = try Rig(nodeCount: 1)
    var other = hello(node: 0, of: 1)
    other.protocolVersion = 99
    var channel = try connect(rig, other)
    var error: BootstrapError?
    #expect(
      rig.serve {
        error = failure(&channel); return error != nil
      })
    #expect(error?.kind == .refused && error?.description.contains("version 99") == true)
    #expect(rig.reports.isEmpty)
  }

  @Test(arguments: [(2, 2), (0, 3)])
  func aNodeThatTheJobDoesNotHaveIsRefused(node: Int, nodeCount: Int) throws {
    let rig = try Rig(nodeCount: 2)
    var channel = try connect(rig, hello(node: node, of: nodeCount))
    var error: BootstrapError?
    #expect(
      rig.serve {
        error = failure(&channel); return error != nil
      })
    #expect(error?.kind == .refused && error?.description.contains("0 to 1") == true)
    #expect(rig.reports.isEmpty)
  }

  @Test func theLeastPatientNodeDecides() throws {
    let rig = try Rig(nodeCount: 3, joinTimeoutMilliseconds: 60_000)
    var patient = try connect(rig, hello(node: 2, of: 3))
    #expect(rig.serve { rig.reports.count == 1 })
    let impatient = try connect(rig, hello(node: 0, of: 3, timeoutMilliseconds: 30))
    var error: BootstrapError?
    #expect(
      rig.serve {
        error = failure(&patient); return error != nil
      })
    #expect(error?.kind == .joinTimedOut && error?.node == 1)
    #expect(rig.reports.count == 3 && rig.reports[2].hasPrefix("joinTimedOut(missing: [1]"), "\(rig.reports)")
    _ = consume impatient
  }

  @Test(arguments: [
    [UInt8](repeating: 0xFF, count: 24), Array("GET / HTTP/1.1\r\nHost: merino\r\n\r\n".utf8),
    // A header that announces more than anybody sends.
    [0x4D, 0x52, 0x4E, 0x31, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7F, 0, 0, 0, 0, 0, 0, 0, 0],
    // A barrier before the hello.
    RendezvousHeader(RendezvousMessage(kind: .barrier)).encoded(), [],
  ])
  func nonsenseDisturbsNobody(bytes: [UInt8]) throws {
    let rig = try Rig(nodeCount: 1)
    let stranger = cbootstrap_connect(rig.path)
    #expect(stranger >= 0 && write(stranger, bytes, bytes.count) == bytes.count)
    shutdown(stranger, Int32(SHUT_WR))
    // The server closes the connection: the stranger sees its end.
    #expect(
      rig.serve {
        var bytes = [UInt8](repeating: 0, count: 4096)
        return recv(stranger, &bytes, bytes.count, Int32(MSG_DONTWAIT)) == 0
      })
    close(stranger)
    let node = try RunningCommand([Tool.probe, "join"], environment: rig.environment(node: 0, of: 1))
    #expect(rig.finish(node).code == 0)
    #expect(rig.reports.filter { $0.hasPrefix("disconnected") }.isEmpty, "\(rig.reports)")
  }
}
