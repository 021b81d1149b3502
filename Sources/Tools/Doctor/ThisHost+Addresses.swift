import Glibc

extension Host {
  /// The addresses of all network interfaces.
  @Sendable static func interfaceAddresses() -> [InterfaceAddress] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { return [] }
    defer { freeifaddrs(list) }
    var found: [InterfaceAddress] = []
    var next = list
    while let entry = next {
      next = entry.pointee.ifa_next
      if let address = entry.pointee.ifa_addr, let name = entry.pointee.ifa_name,
        let read = read(address, of: String(cString: name))
      {
        found.append(read)
      }
    }
    return found
  }

  /// nil for a family that is neither IPv4 nor IPv6.
  private static func read(_ address: UnsafeMutablePointer<sockaddr>, of interface: String)
    -> InterfaceAddress?
  {
    let family = Int32(address.pointee.sa_family)
    let length = family == AF_INET ? MemoryLayout<sockaddr_in>.size : MemoryLayout<sockaddr_in6>.size
    guard family == AF_INET || family == AF_INET6 else { return nil }
    var buffer = [CChar](repeating: 0, count: 128)
    guard
      getnameinfo(address, socklen_t(length), &buffer, socklen_t(buffer.count), nil, 0, NI_NUMERICHOST) == 0
    else { return nil }
    let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return InterfaceAddress(
      interface: interface, text: text, isIPv4: family == AF_INET,
      isLinkLocal: text.hasPrefix("fe80:") || text.hasPrefix("169.254."))
  }
}
