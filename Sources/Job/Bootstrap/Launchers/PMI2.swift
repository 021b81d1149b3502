import CBootstrap

/// PMI-2: frames of six digits and "cmd=…;key=value;". Put, fence, get.
struct PMI2: PMIWire {
  let name = "the launcher (PMI-2)"
  private let socket: PMISocket
  private let place: PMIPlace

  init(_ socket: PMISocket, _ place: PMIPlace) {
    self.socket = socket
    self.place = place
  }

  /// Fewer than the 1024 that every launcher takes.
  private static let valueByteCount = 1000
  private static let frameLimit = 65536

  func open(due: UInt64) throws(PMIFailure) -> PMIStore {
    if cbootstrap_mpi() != CBOOTSTRAP_MPI_INITIALIZED { try sayHello(due: due) }
    return PMIStore(name: "", valueByteCount: Self.valueByteCount)
  }

  /// The version is still agreed upon in PMI-1's way.
  private func sayHello(due: UInt64) throws(PMIFailure) {
    let hello = PMIMessage("init", ["pmi_version": "2", "pmi_subversion": "0"])
    let line = try sending { () throws(BootstrapError) in
      try socket.send(hello.line(["pmi_version", "pmi_subversion"]))
      return try socket.receiveLine(due: due)
    }
    guard let answer = PMIMessage(line: line), answer.command == "response_to_init" else {
      throw .bootstrap(PMISocket.nonsense(line.utf8))
    }
    guard answer.isSuccess else { throw refused("PMI version 2", answer) }
    let full = PMIMessage(
      "fullinit", ["pmijobid": place.jobName, "pmirank": "\(place.rank)", "threaded": "FALSE"])
    let place = try ask(full, ["pmijobid", "pmirank", "threaded"], due: due)
    guard place.fields["rank"] == "\(self.place.rank)", place.fields["size"] == "\(self.place.size)" else {
      throw .bootstrap(
        BootstrapError(
          .cannotReachLauncher,
          "PMI_RANK and PMI_SIZE say that this is process \(self.place.rank) of \(self.place.size), and the "
            + "launcher says \(place.fields["rank"] ?? "?") of \(place.fields["size"] ?? "?"); see how it "
            + "was started."
        ))
    }
  }

  func put(_ store: PMIStore, key: String, _ value: String, due: UInt64) throws(PMIFailure) {
    _ = try ask(PMIMessage("kvs-put", ["key": key, "value": value]), ["key", "value"], due: due)
  }

  func get(_ store: PMIStore, key: String, due: UInt64) throws(PMIFailure) -> String {
    let answer = try ask(PMIMessage("kvs-get", ["key": key]), ["key"], due: due)
    guard answer.fields["found"] == "TRUE", let value = answer.fields["value"] else {
      throw refused("kvs-get", answer)
    }
    return value
  }

  func fence(due: UInt64) throws(PMIFailure) { _ = try ask(PMIMessage("kvs-fence"), [], due: due) }

  /// The exit code has no field of its own in PMI-2.
  func abort(code: Int32) -> String {
    PMIMessage("abort", ["isworld": "TRUE", "msg": "merino_abort with code \(code & 0xFF)"]).frame([
      "isworld", "msg",
    ])
  }

  func leave() {
    socket.leave(goodbye: PMIMessage("finalize").frame([])) { [self] () throws(BootstrapError) in
      _ = try receiveFrame(due: PMISocket.due(inMilliseconds: Handshake.timeLimitMilliseconds))
    }
  }

  private func ask(_ question: PMIMessage, _ order: [String], due: UInt64) throws(PMIFailure) -> PMIMessage {
    let frame = try sending { () throws(BootstrapError) in
      try socket.send(question.frame(order))
      return try receiveFrame(due: due)
    }
    guard let message = PMIMessage(frame: frame), message.command == question.command + "-response" else {
      throw .bootstrap(PMISocket.nonsense(frame.utf8))
    }
    guard message.isSuccess else { throw refused(question.command, message) }
    return message
  }

  private func receiveFrame(due: UInt64) throws(BootstrapError) -> String? {
    guard let digits = try socket.receive(PMIMessage.lengthByteCount, due: due) else { return nil }
    // Hydra puts the blanks before the digits, Slurm behind them.
    let text = String(decoding: digits.filter { $0 != UInt8(ascii: " ") }, as: UTF8.self)
    guard let length = Int(text), (1...Self.frameLimit).contains(length) else {
      throw PMISocket.nonsense(digits)
    }
    guard let bytes = try socket.receive(length, due: due) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }
}
