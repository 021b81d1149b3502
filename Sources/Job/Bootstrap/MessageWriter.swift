import CBootstrap
import CPlatform
import Glibc

/// Messages on their way into a stream socket, in order.
struct MessageWriter {
  enum Progress {
    case done
    /// A non-blocking socket takes no more now: come again when it is writable.
    case wouldBlock
    /// Too many descriptors are in flight for this user: come again a little later.
    case tooManyInFlight
    /// The other end is gone.
    case closed
    /// The other end's host does not answer any more.
    case vanished
  }

  private struct Outgoing {
    let message: RendezvousMessage
    let header: [UInt8]
    var sentByteCount = 0
    var sentDescriptorCount = 0

    init(_ message: RendezvousMessage) {
      self.message = message
      header = RendezvousHeader(message).encoded()
    }
  }

  private var queue: [Outgoing] = []
  /// Messages of which something is still to be sent.
  var waitingCount: Int { queue.count }

  mutating func append(_ message: RendezvousMessage) { queue.append(Outgoing(message)) }

  /// Sends what the socket takes. `flags` as for send(2).
  mutating func flush(to socket: Int32, flags: Int32) throws(BootstrapError) -> Progress {
    while !queue.isEmpty {
      guard Self.hasMore(queue[0]) else {
        queue.removeFirst()
        continue
      }
      if Self.sendStep(&queue[0], to: socket, flags: flags) { continue }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .wouldBlock
      case ETOOMANYREFS: return .tooManyInFlight
      case EPIPE, ECONNRESET: return .closed
      case let code where MessageReader.isNoAnswer(code): return .vanished
      default: throw .system("send a message of the rendezvous", "sendmsg")
      }
    }
    return .done
  }

  private static func hasMore(_ outgoing: Outgoing) -> Bool {
    outgoing.sentByteCount < outgoing.header.count + outgoing.message.payload.count
      || outgoing.sentDescriptorCount < outgoing.message.descriptors.numbers.count
  }

  /// Header first, then payload, then descriptors in batches, each with a carrier byte.
  private static func sendStep(_ outgoing: inout Outgoing, to socket: Int32, flags: Int32) -> Bool {
    let headerCount = outgoing.header.count
    if outgoing.sentByteCount < headerCount {
      return sendBytes(outgoing.header, from: outgoing.sentByteCount, &outgoing, socket, flags)
    }
    if outgoing.sentByteCount < headerCount + outgoing.message.payload.count {
      let from = outgoing.sentByteCount - headerCount
      return sendBytes(outgoing.message.payload, from: from, &outgoing, socket, flags)
    }
    let batch = Array(
      outgoing.message.descriptors.numbers.dropFirst(outgoing.sentDescriptorCount)
        .prefix(MessageReader.descriptorsPerCarrier))
    var carrier: UInt8 = 0
    guard cbootstrap_send(socket, &carrier, 1, batch, Int32(batch.count), flags) == 1 else { return false }
    outgoing.sentDescriptorCount += batch.count
    return true
  }

  private static func sendBytes(
    _ bytes: [UInt8], from start: Int, _ outgoing: inout Outgoing, _ socket: Int32, _ flags: Int32
  ) -> Bool {
    let sent = bytes.withUnsafeBytes { buffer in
      // In bounds: `start` is below the count (the caller's test), so the rest is not empty.
      let rest = UnsafeRawBufferPointer(rebasing: buffer[start...])
      return cbootstrap_send(socket, rest.baseAddress, rest.count, nil, 0, flags)
    }
    guard sent > 0 else { return false }
    outgoing.sentByteCount += sent
    return true
  }
}
