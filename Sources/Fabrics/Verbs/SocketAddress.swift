import CVerbs
import Glibc

/// An IPv4 or IPv6 address with a port, as librdmacm takes them.
public struct SocketAddress: Sendable, CustomStringConvertible {
  var storage: sockaddr_storage

  init(_ address: UnsafePointer<sockaddr>, byteCount: Int) {
    storage = sockaddr_storage()
    withUnsafeMutableBytes(of: &storage) { bytes in
      bytes.copyMemory(from: UnsafeRawBufferPointer(start: address, count: min(byteCount, bytes.count)))
    }
  }

  /// Looks a host up; nil is any address of this host, for listening. Port 0 lets the system choose. May
  /// block.
  ///
  /// - Throws: `VerbsError` where the name is not known.
  public init(host: String?, port: Int) throws(VerbsError) {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = host == nil ? AI_PASSIVE : 0
    var found: UnsafeMutablePointer<addrinfo>?
    let code =
      host.map { getaddrinfo($0, String(port), &hints, &found) }
      ?? getaddrinfo("0.0.0.0", String(port), &hints, &found)
    guard code == 0, let first = found, let address = first.pointee.ai_addr else {
      throw VerbsError(
        "getaddrinfo", on: "host \(host ?? "any"), port \(port)",
        .notFound(String(cString: gai_strerror(code))))
    }
    defer { freeaddrinfo(found) }
    self.init(address, byteCount: Int(first.pointee.ai_addrlen))
  }

  /// The port.
  public var port: Int {
    // Both families keep the port in the same two bytes.
    withUnsafeBytes(of: storage) { Int(UInt16(bigEndian: $0.load(as: sockaddr_in.self).sin_port)) }
  }

  /// "192.0.2.1:7471"
  public var description: String {
    let host = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
      let code = withAddress { address in
        getnameinfo(
          address, socklen_t(MemoryLayout<sockaddr_storage>.size), text.baseAddress, 64, nil, 0,
          NI_NUMERICHOST)
      }
      return code == 0 ? String(cString: text.baseAddress.unsafelyUnwrapped) : "?"
    }
    return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }

  /// The address for a C function, valid during `body` only.
  func withAddress<R>(_ body: (UnsafeMutablePointer<sockaddr>) -> R) -> R {
    var copy = storage
    return withUnsafeMutableBytes(of: &copy) { bytes in
      // A sockaddr_storage is large and aligned enough for every sockaddr; the C side looks at the family.
      body(bytes.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: sockaddr.self))
    }
  }
}
