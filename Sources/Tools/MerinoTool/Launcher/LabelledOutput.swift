import Bootstrap
import Glibc

/// Where labelled lines go: the launcher's standard output or error. Writes only when the reader
/// at the other end takes it, so that a slow reader stops the nodes' output and nothing else.
final class OutputSink {
  /// POLLOUT on a pipe promises room for this many bytes (PIPE_BUF).
  private static let stepByteCount = 4096
  private static let fullByteCount = 1 << 20

  private let loop: EventLoop
  private let descriptor: Int32
  private var waiting: [UInt8] = []
  private(set) var isBroken = false
  /// Called when there is room again, or never will be.
  var onRoom: () -> Void = {}

  init(_ descriptor: Int32, loop: EventLoop) {
    self.descriptor = descriptor
    self.loop = loop
  }

  var isEmpty: Bool { waiting.isEmpty }
  var isFull: Bool { waiting.count >= Self.fullByteCount }

  func write(_ bytes: [UInt8]) {
    guard !isBroken else { return }
    if waiting.isEmpty { loop.watch(descriptor, POLLOUT) { [weak self] _ in self?.writeStep() } }
    waiting += bytes
  }

  private func writeStep() {
    let wasFull = isFull
    let written = Glibc.write(descriptor, waiting, min(waiting.count, Self.stepByteCount))
    if written > 0 {
      waiting.removeFirst(written)
    } else if errno != EINTR && errno != EAGAIN {
      isBroken = true
      waiting = []
    }
    if waiting.isEmpty { loop.unwatch(descriptor) }
    if isBroken || (wasFull && !isFull) { onRoom() }
  }
}

/// One stream of one node, cut into lines that each begin with the node.
final class LabelledStream {
  /// A line without an end is passed on in pieces of this size.
  private static let longestLineByteCount = 1 << 16

  private let loop: EventLoop
  private let style: Style
  private let sink: OutputSink
  private var descriptor: Int32
  private var line: [UInt8] = []
  private var writersAreGone = false

  var isFinished: Bool { descriptor < 0 }

  enum Style {
    /// Whole lines, each with this before it.
    case lines(prefix: [UInt8])
    /// As it comes.
    case raw
  }

  init(reading descriptor: Int32, style: Style, sink: OutputSink, loop: EventLoop) {
    self.descriptor = descriptor
    self.style = style
    self.sink = sink
    self.loop = loop
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    resume()
  }

  deinit { finish() }

  /// Reads on when the sink has room. A hang-up is reported whether asked for or not: so a stream
  /// that pauses is not watched at all.
  func resume() {
    guard !isFinished else { return }
    // Nobody takes the output any more: the node is to notice, as it would without the launcher.
    if sink.isBroken { return finish() }
    if sink.isFull { return loop.unwatch(descriptor) }
    loop.watch(descriptor, POLLIN) { [weak self] _ in self?.read() }
  }

  /// Nobody is left who could write: what is in the pipe is all.
  func declareWritersGone() {
    writersAreGone = true
    if !isFinished && !sink.isFull { read() }
  }

  private func read() {
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    while !isFinished && !sink.isFull {
      let count = Glibc.read(descriptor, &bytes, bytes.count)
      if count > 0 {
        accept(bytes[..<count])
      } else if count < 0 && errno == EINTR {
        continue
      } else if count < 0 && errno == EAGAIN && !writersAreGone {
        return
      } else {
        finish()
      }
    }
    if sink.isFull { loop.unwatch(descriptor) }
  }

  private func accept(_ bytes: ArraySlice<UInt8>) {
    guard case .lines(let prefix) = style else { return sink.write(Array(bytes)) }
    var output: [UInt8] = []
    var rest = bytes
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      output += prefix + line + rest[...end]
      line = []
      rest = rest[(end + 1)...]
    }
    line += rest
    if line.count >= Self.longestLineByteCount {
      output += prefix + line + [UInt8(ascii: "\n")]
      line = []
    }
    if !output.isEmpty { sink.write(output) }
  }

  private func finish() {
    guard !isFinished else { return }
    if !line.isEmpty, case .lines(let prefix) = style { sink.write(prefix + line + [UInt8(ascii: "\n")]) }
    line = []
    loop.unwatch(descriptor)
    close(descriptor)
    descriptor = -1
  }
}

/// The output of all nodes, where it is labelled or comes from other hosts.
final class LabelledOutput {
  private let loop: EventLoop
  private let sinks: [OutputSink]
  private let labelWidth: Int
  private var streams: [LabelledStream] = []

  init(nodeCount: Int, loop: EventLoop) {
    self.loop = loop
    sinks = [STDOUT_FILENO, STDERR_FILENO].map { OutputSink($0, loop: loop) }
    labelWidth = "\(nodeCount - 1)".count
    for sink in sinks { sink.onRoom = { [weak self] in self?.resume() } }
  }

  /// Everything that the nodes wrote has been passed on.
  var isFinished: Bool { streams.allSatisfy(\.isFinished) && sinks.allSatisfy(\.isEmpty) }

  func add(node: Int, output: Int32, error: Int32) {
    let number = "\(node)"
    let prefix = "[" + String(repeating: " ", count: labelWidth - number.count) + number + "] "
    add(output, error, .lines(prefix: Array(prefix.utf8)))
  }

  /// What a launch agent brings from its host: labelled there, where it is labelled.
  func addAgent(output: Int32, error: Int32, isLabelled: Bool) {
    add(output, error, isLabelled ? .lines(prefix: []) : .raw)
  }

  private func add(_ output: Int32, _ error: Int32, _ style: LabelledStream.Style) {
    for (descriptor, sink) in zip([output, error], sinks) {
      streams.append(LabelledStream(reading: descriptor, style: style, sink: sink, loop: loop))
    }
  }

  func declareWritersGone() {
    for stream in streams { stream.declareWritersGone() }
  }

  private func resume() {
    for stream in streams { stream.resume() }
  }
}
