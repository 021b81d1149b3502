/// A value of a report in JSON, written in the order in which it was put together.
public indirect enum JSON: Equatable, Sendable, CustomStringConvertible {
  /// A string.
  case string(String)
  /// A whole number.
  case integer(Int)
  /// A number, written with four decimals; one that is not finite is written as null.
  case number(Double)
  /// A list.
  case array([JSON])
  /// Names with their values, in this order.
  case object([(String, JSON)])

  /// The value on one line.
  public var description: String {
    switch self {
    case .string(let text): return Self.quoted(text)
    case .integer(let value): return String(value)
    case .number(let value): return value.isFinite ? fixed(value, decimals: 4) : "null"
    case .array(let values): return "[" + values.map(\.description).joined(separator: ", ") + "]"
    case .object(let fields):
      return "{" + fields.map { "\(Self.quoted($0.0)): \($0.1)" }.joined(separator: ", ") + "}"
    }
  }

  /// Equal when written equally.
  public static func == (a: JSON, b: JSON) -> Bool { a.description == b.description }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

extension LatencyStatistics {
  /// The fields as perftest's JSON report names them, and `t_median`, the median of all samples; times in
  /// microseconds.
  public func json(byteCount: Int) -> JSON {
    .object([
      ("MsgSize", .integer(byteCount)),
      ("n_iterations", .integer(count)),
      ("t_min", .number(minimum / 1000)),
      ("t_max", .number(maximum / 1000)),
      ("t_typical", .number(typical / 1000)),
      ("t_median", .number(median / 1000)),
      ("t_avg", .number(average / 1000)),
      ("t_stdev", .number(standardDeviation / 1000)),
      ("percentile_99", .number(percentile99 / 1000)),
      ("percentile_99.9", .number(percentile999 / 1000)),
    ])
  }
}
