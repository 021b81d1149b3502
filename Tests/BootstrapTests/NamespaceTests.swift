import Glibc
import Testing

/// Whether this machine lets the tests make network namespaces.
enum Namespaces {
  static let arePossible: Bool = {
    guard geteuid() == 0 else { return false }
    let command = try? RunningCommand([
      "sh", "-c", "ip netns add merino-probe-$$ && ip netns del merino-probe-$$",
    ])
    return command?.wait().code == 0
  }()
}

/// Two network namespaces joined by a virtual Ethernet: hosts with addresses of their own, as far as TCP
/// goes.
@Suite(
  .serialized, .timeLimit(.minutes(2)), .enabled(if: Namespaces.arePossible, "needs root and ip-netns"))
struct NamespaceTests {
  /// Makes the namespaces `$A` and `$B` and the agent `$D/agent`, which runs lines in `$B`; they go with it.
  private static let prologue = """
    set -euo pipefail
    D=$(mktemp -d /tmp/merino-test-XXXXXX); A=mrna$$; B=mrnb$$
    trap 'ip netns del $A 2>/dev/null; ip netns del $B 2>/dev/null; rm -rf $D' EXIT
    ip netns add $A; ip netns add $B
    ip link add va$$ netns $A type veth peer name vb$$ netns $B
    up() {
      ip -n $1 addr add 10.77.0.$3/24 dev $2; ip -n $1 addr add fd77::$3/64 dev $2 nodad
      ip -n $1 link set $2 up; ip -n $1 link set lo up
    }
    up $A va$$ 1; up $B vb$$ 2
    printf '#!/bin/sh\\nshift; exec ip netns exec %s sh -c "$*"\\n' $B > $D/agent
    chmod +x $D/agent

    """

  private func bash(_ script: String) throws -> Finished {
    let command = try RunningCommand(
      ["bash", "-c", Self.prologue + script], environment: ["M": Tool.merino, "P": Tool.probe])
    let run = command.wait(withinSeconds: 60)
    #expect(command.scratch.entries == [])
    return run
  }

  @Test(arguments: [
    "", "--listen-address 10.77.0.1", "--listen-address fd77::1", "--listen-address [fd77::1]:7123",
  ])
  func hostsReachTheLauncherByItsAddresses(options: String) throws {
    let run = try bash(
      "timeout 30 ip netns exec $A $M run --hosts localhost:1,b:2 \(options) --launch-agent $D/agent "
        + "-- $P descriptors 2")
    #expect(run.code == 0 && run.lines == Array(repeating: "descriptors 6", count: 3), "\(run)")
  }

  /// The other host loses its address: from then on nothing comes from it, not even the end of a connection.
  @Test func aHostThatVanishesIsNoticedOnBothSides() throws {
    let run = try bash(
      """
      timeout 80 ip netns exec $A \
        $M run --listen 7000 -n 3 --secret-file $D/s -- $P signal -1 0 >$D/a 2>&1 & a=$!
      until grep -qs -e --join $D/a; do sleep 0.02; done
      timeout 80 ip netns exec $B \
        $M run --join 10.77.0.1:7000 -n 2 --secret-file $D/s -- $P signal -1 0 >$D/b 2>&1 &
      b=$!
      until [ "$(cat $D/a $D/b | grep -c ^process)" = 3 ]; do sleep 0.02; done
      sleep 0.2; ip -n $B addr flush dev vb$$; SECONDS=0
      wait $a || echo launcher $? after $SECONDS
      wait $b || echo outpost $? after $SECONDS
      cat $D/a; cat $D/b
      """)
    #expect(run.code == 0, "\(run)")
    for (side, limit) in [("launcher 1 after", 25), ("outpost 1 after", 27)] {
      let seconds = numbers(after: side, in: run.output)
      #expect(seconds.count == 1 && (12...limit).contains(Int(seconds.first ?? 0)), "\(run)")
    }
    #expect(run.output.contains("has not answered for 20 s"), "\(run)")
    #expect(run.output.contains("the connection to the launcher is lost"), "\(run)")
    let processes = numbers(after: "process", in: run.output)
    #expect(processes.count == 3 && !processes.contains(where: runs), "\(run)")
  }
}
