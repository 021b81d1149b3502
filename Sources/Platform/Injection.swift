import CPlatform

/// What can be made to fail, once, at its n-th use by a thread.
public enum InjectedFailure: Int32, Sendable {
  /// Taking one of the program's lock slots.
  case slot = 1
  /// Memory, addresses, and places in tables, of which there may be none left.
  case allocation = 2
  /// A batch of the fabric's operations.
  case fabric = 3
}

/// Around the service of a page fault, in which nothing is made to fail: it ends the process where it cannot be served.
@_alwaysEmitIntoClient @inline(__always)
public func injectNothing(_ isFault: Bool) {
  #if MERINO_INJECTION
    cplatform_injection_fault(isFault ? 1 : -1)
  #endif
}

/// Whether this use shall fail, for tests that make each use fail in turn and look at what is left. Only in debug builds
/// (`MERINO_INJECTION` of Package.swift): otherwise a constant, and nothing of it is there (`ci/check-library`).
@_alwaysEmitIntoClient @inline(__always)
public func injectedFailure(_ kind: InjectedFailure) -> Bool {
  #if MERINO_INJECTION
    return cplatform_injection_strikes(kind.rawValue) != 0
  #else
    return false
  #endif
}
