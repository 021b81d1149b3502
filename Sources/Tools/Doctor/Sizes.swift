/// Bytes for people: "8 MiB", "4.2 MiB". Rounded down.
func sizeText(_ byteCount: UInt64) -> String {
  for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")]
  where byteCount >> UInt64(shift) > 0 {
    let whole = byteCount >> UInt64(shift)
    let tenths = (byteCount & ((1 << UInt64(shift)) - 1)) * 10 >> UInt64(shift)
    return tenths == 0 || whole >= 100 ? "\(whole) \(unit)" : "\(whole).\(tenths) \(unit)"
  }
  return "\(byteCount) bytes"
}

func sizeText(_ byteCount: Int) -> String { sizeText(UInt64(byteCount)) }

extension ResourceLimit {
  static func sizeText(_ value: UInt64) -> String {
    value == unlimited ? "unlimited" : Doctor.sizeText(value)
  }
}

/// "1 node", "4 nodes".
func countText(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
