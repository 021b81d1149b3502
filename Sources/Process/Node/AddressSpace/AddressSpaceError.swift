import Platform

/// What kept a view or a reservation from being made. `description` is a full sentence.
public enum AddressSpaceError: Error, Sendable, CustomStringConvertible {
  /// The addresses are taken. The sentence says by what.
  case addressInUse(String)
  /// The address or range cannot be one of a view: misaligned, empty, or outside the capacity.
  case invalidArgument(String)
  /// As many views as the table holds exist already.
  case tooManyViews(limit: Int)
  /// No such view: it was detached, or never attached.
  case noSuchView
  /// The system refused.
  case system(SystemError)

  public var description: String {
    switch self {
    case .addressInUse(let sentence), .invalidArgument(let sentence): return sentence
    case .tooManyViews(let limit):
      return
        "could not attach another view: \(limit) views are attached, which is the most a process can have."
    case .noSuchView: return "there is no such view: it was detached, or never attached."
    case .system(let error): return error.description
    }
  }
}
