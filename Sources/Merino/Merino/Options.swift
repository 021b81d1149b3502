import Coherence
import Glibc

/// How urgent a message to `ClusterOptions.log` is.
public enum LogLevel: Int32, Sendable, Comparable {
  /// Something failed.
  case error = 1
  /// It works, but less well than it could.
  case warning = 2
  /// What was chosen at joining.
  case info = 3
  /// For people who work on Merino itself.
  case debug = 4

  /// More urgent first.
  public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}

/// Settings of a node. What is `nil` takes the environment variable named, then the default.
public struct ClusterOptions: Sendable {
  /// Bytes of the global address space, the same on all nodes. `MERINO_CAPACITY` (suffix K, M, G, T); by
  /// default twice the host's memory and 64 GiB at least, of which only what is touched exists; 64 GiB over
  /// RDMA, or as much as control memory within the limit of locked memory allows.
  public var capacityByteCount: Int?
  /// Name of the fabric: "verbs" (RDMA), "host" (nodes of one machine), or "auto": verbs where every node has
  /// a device, else host where all are on one machine. `MERINO_FABRIC`; "auto".
  public var fabric: String?
  /// Locks, events, conditions and barriers of the job. `MERINO_LOCKS`; 16,777,216, and
  /// 65,536 over RDMA.
  public var lockCount: Int?
  /// Milliseconds to wait for the others to join. `MERINO_JOIN_TIMEOUT` (seconds); 60,000.
  public var joinTimeoutMilliseconds: Int?
  /// Receives messages up to `logLevel`, on any thread. `nil`: they go to standard error where
  /// `MERINO_LOG` is set to error, warning, info or debug, and nowhere otherwise.
  public var log: (@Sendable (LogLevel, String) -> Void)?
  /// What is passed to `log`. `MERINO_LOG`; `.warning`.
  public var logLevel: LogLevel?

  /// All defaults.
  public init() {}
}

/// The settings of the environment, read once at joining.
struct EnvironmentSettings {
  /// A whole number of bytes with an optional suffix K, M, G or T (powers of 1,024).
  static func byteCount(_ name: String) throws(MerinoError) -> Int? {
    guard let text = string(name) else { return nil }
    return try byteCount(text, of: name)
  }

  /// `text` as such a number; `name` is for the error.
  static func byteCount(_ text: String, of name: String) throws(MerinoError) -> Int {
    let suffixes: [Character: Int] = ["K": 10, "M": 20, "G": 30, "T": 40]
    var digits = Substring(text)
    var shift = 0
    if let last = text.uppercased().last, let known = suffixes[last] {
      shift = known
      digits = text.dropLast()
    }
    guard let number = Int(digits), number > 0, number <= Int.max >> shift else {
      throw MerinoError(
        .invalidArgument,
        "\(name)=\(text) is no number of bytes; write for example 8G (suffixes K, M, G, T).")
    }
    return number << shift
  }

  static func count(_ name: String, _ range: ClosedRange<Int>) throws(MerinoError) -> Int? {
    guard let text = string(name) else { return nil }
    guard let number = Int(text), range.contains(number) else {
      throw MerinoError(
        .invalidArgument, "\(name)=\(text) is not a number from \(range.lowerBound) to \(range.upperBound).")
    }
    return number
  }

  /// Names of mechanisms with commas between them.
  static func mechanisms(_ name: String) throws(MerinoError) -> Mechanisms {
    let known: [(name: String, mechanism: Mechanisms)] = [
      ("exclusive-at-release", .exclusiveAtRelease), ("claim-runs", .claimRuns), ("alone", .alone),
      ("write-ahead", .writeAhead), ("locks-in-place", .locksInPlace), ("hot-pages", .hotPages),
    ]
    var result: Mechanisms = []
    for word in (string(name) ?? "").split(separator: ",") {
      guard let found = known.first(where: { $0.name == word }) else {
        throw MerinoError(
          .invalidArgument,
          "\(name): there is no mechanism \(word); there are \(known.map(\.name).joined(separator: ", ")).")
      }
      result.formUnion(found.mechanism)
    }
    return result
  }

  static func string(_ name: String) -> String? {
    // Read before this process has threads of the library; the program must not change its
    // environment at the same time, as for any getenv.
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
  }
}

/// Where messages of the library go.
struct Logger: Sendable {
  let level: LogLevel
  let sink: (@Sendable (LogLevel, String) -> Void)?

  init(_ options: ClusterOptions) {
    let names: [String: LogLevel] = ["error": .error, "warning": .warning, "info": .info, "debug": .debug]
    let asked = EnvironmentSettings.string("MERINO_LOG").flatMap { names[$0] }
    level = options.logLevel ?? asked ?? .warning
    if let log = options.log {
      sink = log
    } else if asked != nil {
      sink = { _, message in
        // The user asked for it by MERINO_LOG.
        _ = (message + "\n").withCString { write(2, $0, strlen($0)) }
      }
    } else {
      sink = nil
    }
  }

  func callAsFunction(_ level: LogLevel, _ message: @autoclosure () -> String) {
    if let sink, level <= self.level { sink(level, "merino: " + message()) }
  }
}
