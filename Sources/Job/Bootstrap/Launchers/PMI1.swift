/// PMI-1: lines of "cmd=… key=value". Put, barrier, get.
struct PMI1: PMIWire {
  let name = "mpiexec (PMI-1)"
  private let socket: PMISocket

  init(_ socket: PMISocket) { self.socket = socket }

  private static let leastValueByteCount = 64
  private static let mostValueByteCount = 4096

  func open(due: UInt64) throws(PMIFailure) -> PMIStore {
    let limits = try ask(PMIMessage("get_maxes"), [], answer: "maxes", due: due)
    guard let text = limits.fields["vallen_max"], let limit = Int(text), limit >= Self.leastValueByteCount
    else {
      throw .bootstrap(PMISocket.nonsense("vallen_max=\(limits.fields["vallen_max"] ?? "")".utf8))
    }
    let store = try ask(PMIMessage("get_my_kvsname"), [], answer: "my_kvsname", due: due)
    guard let name = store.fields["kvsname"] else { throw .bootstrap(PMISocket.nonsense("my_kvsname".utf8)) }
    // The limit counts a final zero.
    return PMIStore(name: name, valueByteCount: min(limit, Self.mostValueByteCount) - 1)
  }

  func put(_ store: PMIStore, key: String, _ value: String, due: UInt64) throws(PMIFailure) {
    let question = PMIMessage("put", ["kvsname": store.name, "key": key, "value": value])
    _ = try ask(question, ["kvsname", "key", "value"], answer: "put_result", due: due)
  }

  func get(_ store: PMIStore, key: String, due: UInt64) throws(PMIFailure) -> String {
    let question = PMIMessage("get", ["kvsname": store.name, "key": key])
    let answer = try ask(question, ["kvsname", "key"], answer: "get_result", due: due)
    guard let value = answer.fields["value"] else { throw refused("get", answer) }
    return value
  }

  func fence(due: UInt64) throws(PMIFailure) {
    _ = try ask(PMIMessage("barrier_in"), [], answer: "barrier_out", due: due)
  }

  func abort(code: Int32) -> String { PMIMessage("abort", ["exitcode": "\(code & 0xFF)"]).line(["exitcode"]) }

  func leave() {
    socket.leave(goodbye: PMIMessage("finalize").line([])) { [socket] () throws(BootstrapError) in
      _ = try socket.receiveLine(due: PMISocket.due(inMilliseconds: Handshake.timeLimitMilliseconds))
    }
  }

  private func ask(
    _ question: PMIMessage, _ order: [String], answer: String, due: UInt64
  ) throws(PMIFailure) -> PMIMessage {
    let line = try sending { () throws(BootstrapError) in
      try socket.send(question.line(order))
      return try socket.receiveLine(due: due)
    }
    guard let message = PMIMessage(line: line), message.command == answer else {
      throw .bootstrap(PMISocket.nonsense(line.utf8))
    }
    guard message.isSuccess else { throw refused(question.command, message) }
    return message
  }
}
