import CBootstrap
import Glibc

/// Flags of send(2) and recv(2), as their C functions want them.
enum MessageFlags {
  static let doNotWait = Int32(MSG_DONTWAIT)
  static let noSignal = Int32(MSG_NOSIGNAL)
}

/// Puts messages together from a stream socket, however the kernel cuts them. Never reads beyond
/// the current message, so the descriptors that arrive belong to it.
///
/// Descriptors travel behind the payload, `CBOOTSTRAP_DESCRIPTORS_PER_MESSAGE` at a time, each batch
/// on a carrier byte of its own (the kernel passes descriptors only along with a byte, and at most 253
/// of them).
struct MessageReader {
  enum Progress {
    case message(RendezvousMessage)
    /// A non-blocking socket has nothing more now.
    case wouldBlock
    /// The other end is gone.
    case closed
    /// The other end's host does not answer any more.
    case vanished
  }

  static var descriptorsPerCarrier: Int { Int(CBOOTSTRAP_DESCRIPTORS_PER_MESSAGE) }
  static let usualStepByteCount = 1 << 16

  /// What the other end may say now.
  var limits: MessageLimits
  private let stepByteCount: Int
  private var headerBytes: [UInt8] = []
  private var header: RendezvousHeader?
  private var payload: [UInt8] = []
  private var descriptors = PassedDescriptors()
  /// As long as what was read at once so far: a connection that says little costs little.
  private var step: [UInt8] = []

  /// Reads so many bytes at a time: few will do where messages are short.
  init(stepByteCount: Int = usualStepByteCount, limits: MessageLimits = .server) {
    self.stepByteCount = stepByteCount
    self.limits = limits
  }

  /// Reads until a message is complete or the socket has no more. `flags` as for recv(2).
  mutating func receive(from socket: Int32, flags: Int32) throws(BootstrapError) -> Progress {
    while true {
      if let message = takeCompleteMessage() { return .message(message) }
      let received = try receiveStep(from: socket, flags: flags)
      switch received {
      case 0: return .closed
      case Self.nothingNow: return .wouldBlock
      case Self.noAnswer: return .vanished
      default: continue
      }
    }
  }

  private static let nothingNow = -1
  private static let noAnswer = -2

  /// What a connection says whose other end's host is gone without a word.
  static func isNoAnswer(_ code: Int32) -> Bool {
    code == ETIMEDOUT || code == EHOSTUNREACH || code == ENETUNREACH
  }

  private mutating func takeCompleteMessage() -> RendezvousMessage? {
    guard let complete = header, payload.count == complete.payloadByteCount,
      descriptors.numbers.count == complete.descriptorCount
    else { return nil }
    let message = RendezvousMessage(kind: complete.kind, payload: payload, descriptors: descriptors)
    headerBytes = []
    header = nil
    payload = []
    descriptors = PassedDescriptors()
    return message
  }

  /// Bytes until the end of the part that is being read: header, payload or one carrier byte.
  private var missingByteCount: Int {
    // Neither difference is below zero: no more is read than was missing.
    guard let header else { return RendezvousHeader.byteCount &- headerBytes.count }
    let missing = header.payloadByteCount &- payload.count
    return missing > 0 ? min(missing, stepByteCount) : 1
  }

  /// Bytes received, 0 at the end, `nothingNow` or `noAnswer`.
  private mutating func receiveStep(from socket: Int32, flags: Int32) throws(BootstrapError) -> Int {
    var arrived = [Int32](repeating: -1, count: Self.descriptorsPerCarrier)
    var arrivedCount: Int32 = 0
    var truncated: Int32 = 0
    var received: Int
    let wanted = missingByteCount
    if step.count < wanted { step = [UInt8](repeating: 0, count: wanted) }
    repeat {
      received = cbootstrap_receive(socket, &step, wanted, &arrived, &arrivedCount, &truncated, flags)
    } while received < 0 && errno == EINTR
    if received < 0 {
      if errno == EAGAIN { return Self.nothingNow }
      if Self.isNoAnswer(errno) { return Self.noAnswer }
      if errno == ECONNRESET { return 0 }
      throw .system("receive a message of the rendezvous", "recvmsg")
    }
    // Owned from here on, and closed with the reader where they are too many.
    descriptors.append(contentsOf: arrived.prefix(Int(clamping: max(arrivedCount, 0))))
    if truncated != 0 { throw DescriptorLimit.exceeded() }
    if received > 0 { try accept(received, descriptorCount: Int(clamping: arrivedCount)) }
    return received
  }

  private mutating func accept(_ byteCount: Int, descriptorCount: Int) throws(BootstrapError) {
    guard let header else { return try acceptHeader(byteCount, descriptorCount) }
    if payload.count < header.payloadByteCount {
      guard descriptorCount == 0 else { throw .violation("passed descriptors within a message's bytes") }
      payload.append(contentsOf: step.prefix(byteCount))
    } else if descriptorCount == 0 || descriptors.numbers.count > header.descriptorCount {
      throw .violation("passed other descriptors than it had announced")
    }
  }

  private mutating func acceptHeader(_ byteCount: Int, _ descriptorCount: Int) throws(BootstrapError) {
    guard descriptorCount == 0 else { throw .violation("passed descriptors within a message's bytes") }
    headerBytes.append(contentsOf: step.prefix(byteCount))
    guard headerBytes.count == RendezvousHeader.byteCount else { return }
    guard let complete = RendezvousHeader(headerBytes) else { throw Self.malformed }
    if let objection = limits.objection(to: complete) { throw objection }
    header = complete
    // Large ones grow as they come: nobody has memory set aside for what is only announced.
    payload.reserveCapacity(min(complete.payloadByteCount, stepByteCount))
  }

  static let malformed = BootstrapError.violation("sent what is no message of this version of Merino")
}
