import Platform
import VerbsFabric

// What nodes tell each other when they join, as it travels. Whatever comes in is taken apart here and nowhere
// else, so that no bytes of another node's end this one; `Agreement` and `FabricChoice` look at what they
// say.

extension Announcement {
  /// Bytes of its form for the wire: words, low bytes first.
  static let byteCount = 96

  /// From the beginning of the bytes; what is missing is 0, a version that no node has.
  init(_ bytes: [UInt8]) { self.init(words: bytes.littleEndianWords(Self.byteCount / 8)) }

  var bytes: [UInt8] { words.littleEndianBytes }
}

extension FabricOffer {
  /// The form in which it travels: four bytes, then the reason.
  var bytes: [UInt8] {
    let flags: UInt8 = (hasDevice ? 1 : 0) | (hasAddress ? 2 : 0)
    let number = VerbsSettings.Method.allCases.firstIndex(of: method) ?? 0
    let head = [request.rawValue, flags, UInt8(clamping: laneCount), UInt8(clamping: number)]
    return [head, Array(reason.utf8)].flatMap { $0 }
  }

  /// `nil` where the bytes are no offer.
  init?(_ bytes: [UInt8]) {
    var rest = bytes[...]
    guard let request = rest.popFirst().flatMap(FabricRequest.init), let flags = rest.popFirst(),
      let laneCount = rest.popFirst(), let method = rest.popFirst(), !rest.isEmpty,
      let chosen = VerbsSettings.Method.allCases.dropFirst(Int(clamping: method)).first
    else { return nil }
    self.init(
      request: request, hasDevice: flags & 1 != 0, hasAddress: flags & 2 != 0,
      laneCount: Int(clamping: laneCount), method: chosen, reason: String(decoding: rest, as: UTF8.self))
  }
}
