import CBootstrap

/// Which copy of this library joins in this process: one. A second one (libmerino.a inside a library of a
/// program that uses libmerino.so, a build of another version) would serve the same faults and be the same
/// node of the job.
public enum ProcessClaim {
  /// Makes this copy the one, as often as it likes; one thread at a time.
  ///
  /// - Returns: `nil`, or where another copy has joined or is joining, the file that it is in.
  public static func take() -> String? {
    var path = [CChar](repeating: 0, count: 4096)
    if cbootstrap_claim_process(&path, path.count) != 0 { return nil }
    let text = String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return text.isEmpty ? "the program itself" : text
  }

  /// Lets another copy join: this one could not.
  public static func giveUp() { cbootstrap_give_up_claim() }
}
