/// The version of everything in this package; `merino.h` has the same numbers.
public enum MerinoVersion {
  public static let major = 0
  public static let minor = 1
  public static let patch = 0
  /// "0.1.0"
  public static var text: String { "\(major).\(minor).\(patch)" }
}
