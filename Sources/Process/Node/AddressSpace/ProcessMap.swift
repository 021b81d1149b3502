import Platform

/// A mapping of this process, as a line of /proc/self/maps shows it.
public struct MappedRegion: Sendable, Equatable, CustomStringConvertible {
  public let range: Range<UInt>
  /// "rw-p" and the like.
  public let permissions: String
  /// The file, "[heap]", "[stack]" and the like; empty for anonymous memory.
  public let name: String

  public var description: String {
    let what = name.isEmpty ? "anonymous memory" : name
    return "\(what) (\(hex(range.lowerBound))-\(hex(range.upperBound)) \(permissions))"
  }
}

/// The mappings of this process, for diagnosis: it is old as soon as it has been read.
public enum ProcessMap {
  /// All mappings, by address. Empty where /proc is not mounted.
  public static func regions() -> [MappedRegion] {
    readProcFile("/proc/self/maps").split(separator: UInt8(ascii: "\n")).compactMap(region)
  }

  /// The mappings that share an address with `range`.
  public static func regions(overlapping range: Range<UInt>) -> [MappedRegion] {
    regions().filter { $0.range.overlaps(range) }
  }

  /// What lies in `range`, as the object of a sentence.
  static func occupants(of range: Range<UInt>) -> String {
    let found = regions(overlapping: range)
    switch found.count {
    case 0: return "something that /proc/self/maps does not show"
    case 1: return "\(found[0])"
    default: return "\(found[0]) and \(found.count - 1) more"
    }
  }

  /// "start-end perms offset device inode   name", where the name may contain spaces.
  private static func region(_ line: ArraySlice<UInt8>) -> MappedRegion? {
    let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 4)
    guard fields.count == 5 else { return nil }
    let bounds = fields[0].split(separator: UInt8(ascii: "-")).compactMap {
      UInt(String(decoding: $0, as: UTF8.self), radix: 16)
    }
    guard bounds.count == 2, bounds[0] < bounds[1] else { return nil }
    let rest = fields[4].drop { $0 != UInt8(ascii: " ") }.drop { $0 == UInt8(ascii: " ") }
    return MappedRegion(
      range: bounds[0]..<bounds[1], permissions: String(decoding: fields[1], as: UTF8.self),
      name: String(decoding: rest, as: UTF8.self))
  }
}
