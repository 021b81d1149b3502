/// Who brings the nodes together: this node's connection to whatever started the job. `Job` is a
/// facade over one of these; each way to start a job (merino run, a process manager, by hand over
/// TCP) is one implementation.
///
/// Thread-safe. The collective calls are made by one thread of a node at a time and in the same
/// order on every node; `nextEvent` and `abort` may run beside them.
protocol JobLink: Sendable {
  var node: Int { get }
  var nodeCount: Int { get }
  var secret: (UInt64, UInt64) { get }
  /// In node order.
  var members: [Member] { get }
  /// Readable when `nextEvent` has something; -1 where nothing ever happens.
  var eventDescriptor: Int32 { get }

  func exchange(_ bytes: [UInt8]) throws(BootstrapError) -> [[UInt8]]
  func exchangeDescriptors(_ descriptors: [Int32]) throws(BootstrapError) -> [[Int32]]
  func barrier() throws(BootstrapError)
  func leave() throws(BootstrapError)
  /// Ends the connection without a leave: this node is lost to the others. Never blocks for long.
  func disconnect()
  /// Never blocks.
  func nextEvent() -> JobEvent?
  /// Never blocks.
  func abort(code: Int32)
}

/// Something that happened to the job, told by the launcher.
public enum JobEvent: Sendable, Hashable {
  /// `how` is a full sentence that names the node.
  case peerLost(node: Int, how: String)
  /// The launcher died; nobody will say any more who is lost. Ends the event descriptor's use: it
  /// stays readable.
  case launcherGone
}
