import Glibc
import Platform

/// Descriptors of another process of this machine, taken through `/proc/PID/fd`. It needs what a debugger's
/// look needs (the same user, a process that may be looked at), and nothing between the two processes, so it
/// serves where no socket connects them. What is taken is the same file, opened anew.
extension LauncherLink {
  func takeDescriptorsOfAll(_ mine: [Int32]) throws(BootstrapError) -> [[Int32]] {
    // In bounds: joining has seen that this node is one of them.
    let me = members[node]
    if let other = members.first(where: { $0.machine != me.machine }) {
      throw BootstrapError(
        .differentMachines,
        "descriptors can be exchanged among processes of one machine only; node \(node) runs on "
          + "\(me.hostName) and process \(other.processID) on \(other.hostName), or in another "
          + "container. Memory of several machines is shared over RDMA.")
    }
    try DescriptorLimit.makeRoom(
      for: mine.count.multipliedReportingOverflow(by: nodeCount).partialValue,
      purpose: "an exchange of \(mine.count) descriptors among \(nodeCount) nodes")
    let offers = try exchange(try Self.offer(mine))
    let count = offers.first?.count
    for (other, offer) in offers.enumerated() where offer.count != count {
      throw BootstrapError(
        .mismatch, node: other,
        "node 0 gave \((count ?? 0) / 8) descriptors to an exchange and node \(other) gave "
          + "\(offer.count / 8); every node must give the same number.")
    }
    let taken = PassedDescriptors()
    var failure: BootstrapError?
    do throws(BootstrapError) {
      for (owner, offer) in offers.enumerated() { try take(offer, of: owner, into: taken) }
    } catch {
      failure = error
    }
    // Nobody closes its own before all have taken them; and either all have them or none.
    let complaints = try exchange(Array((failure?.description ?? "").utf8))
    if let failure { throw failure }
    for (node, complaint) in complaints.enumerated() where !complaint.isEmpty {
      throw BootstrapError(.system, node: node, String(decoding: complaint, as: UTF8.self))
    }
    guard let parts = Contributions.parts(taken.numbers, nodeCount: nodeCount, count: mine.count) else {
      throw MessageReader.malformed
    }
    _ = taken.take()
    return parts
  }

  /// Number and access mode of each.
  private static func offer(_ descriptors: [Int32]) throws(BootstrapError) -> [UInt8] {
    var writer = PayloadWriter()
    for descriptor in descriptors {
      let flags = fcntl(descriptor, F_GETFL)
      guard flags >= 0 else { throw .system("offer descriptor \(descriptor) to other nodes", "fcntl") }
      writer.append(descriptor)
      writer.append(flags & O_ACCMODE)
    }
    return writer.bytes
  }

  private func take(_ offer: [UInt8], of owner: Int, into taken: PassedDescriptors) throws(BootstrapError) {
    var reader = PayloadReader(offer)
    guard members.indices.contains(owner) else { throw MessageReader.malformed }
    // In bounds: as looked at.
    let process = members[owner].processID
    while let number = reader.takeInt32(), let mode = reader.takeInt32() {
      let path = "/proc/\(process)/fd/\(number)"
      // How it was opened there, and nothing else that open(2) could be asked for.
      let file = open(path, mode & O_ACCMODE | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
      guard file >= 0 else {
        throw .system(
          "open a file of node \(owner) as \(path)", "open",
          advice:
            "nodes of one machine must run as one user, and their programs without capabilities of their own")
      }
      taken.append(contentsOf: [file])
    }
  }
}
