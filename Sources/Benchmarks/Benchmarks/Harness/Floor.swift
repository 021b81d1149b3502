import ArgumentParser
import BenchmarkSupport
import Glibc
import Merino
import VerbsFloor

/// What plain operations are measured with: a connection of verbs between nodes 0 and 1, or nothing but this
/// host.
struct Floor {
  /// This node's end: on nodes 0 and 1 where both have a device.
  let end: FloorEnd?
  /// The same on all nodes.
  let isVerbs: Bool
  /// The device, or why there is none.
  let note: String

  /// Collective. Connects nodes 0 and 1 where `choice` allows it and both have a device.
  static func open(_ cluster: Cluster, _ choice: FloorChoice, halfByteCount: Int) throws -> Floor {
    guard choice != .host else {
      return Floor(end: nil, isVerbs: false, note: "copies and page faults in plain C, as asked for.")
    }
    var failure = ""
    let listener = cluster.node == 0 ? attempt(&failure) { try FloorListener(demand: device) } : nil
    let address = try text("\(listener.map { "\($0.host) \($0.port)" } ?? "")", cluster, from: 0)
    let words = address.split(separator: " ")
    var end: FloorEnd?
    if words.count == 2, let port = Int(words[1]) {
      if let listener {
        end = attempt(&failure) {
          try listener.accept(halfByteCount: halfByteCount, timeoutMilliseconds: 10_000)
        }
      } else if cluster.node == 1 {
        end = attempt(&failure) {
          try FloorEnd.connect(
            host: String(words[0]), port: port, halfByteCount: halfByteCount, timeoutMilliseconds: 10_000)
        }
      }
    }
    let isThere: UInt64 = cluster.node > 1 || end != nil ? 1 : 0
    let isVerbs = try cluster.allReduce([isThere], .minimum) == [1]
    let first = try text(failure, cluster, from: 0)
    let second = try text(failure, cluster, from: 1)
    if isVerbs {
      let name = end?.deviceName ?? ""
      return Floor(end: end, isVerbs: true, note: "plain operations on \(name), by Verbs.")
    }
    let reason = first.isEmpty ? "node 1: \(second)" : "node 0: \(first)"
    guard choice == .auto else {
      // One node says it: sentences of several would be printed into each other.
      try cluster.finalize()
      guard cluster.node == 0 else { throw ExitCode.success }
      throw ValidationError("There is no floor of verbs; \(reason)")
    }
    return Floor(end: nil, isVerbs: false, note: "copies and page faults in plain C; no verbs, \(reason)")
  }

  /// The device that Merino was told to take.
  private static var device: String? { getenv("MERINO_DEVICE").map { String(cString: $0) } }

  private static func attempt<T>(_ failure: inout String, _ body: () throws -> T) -> T? {
    do { return try body() } catch {
      failure = "\(error)"
      return nil
    }
  }

  /// Everybody gets a node's text, up to 511 bytes of it.
  private static func text(_ text: String, _ cluster: Cluster, from node: Int) throws -> String {
    var bytes = Array(text.utf8.prefix(511))
    bytes += [UInt8](repeating: 0, count: 512 - bytes.count)
    try bytes.withUnsafeMutableBytes { try cluster.broadcast($0, from: node) }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }
}
