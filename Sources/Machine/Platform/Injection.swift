import CPlatform

// Whether this use of something shall fail, for tests that make each use fail in turn and look at what is
// left. Only in debug builds (`MERINO_INJECTION` of Package.swift): otherwise constants, and nothing of it is
// there (`ci/check-library`).

/// Taking one of the program's lock slots.
@_alwaysEmitIntoClient @inline(__always)
public func isSlotRefused() -> Bool { isRefused(1) }

/// Memory, addresses, and places in tables, of which there may be none left.
@_alwaysEmitIntoClient @inline(__always)
public func isAllocationRefused() -> Bool { isRefused(2) }

/// A batch of the fabric's operations.
@_alwaysEmitIntoClient @inline(__always)
public func isBatchRefused() -> Bool { isRefused(3) }

@_alwaysEmitIntoClient @inline(__always)
func isRefused(_ kind: Int32) -> Bool {
  #if MERINO_INJECTION
    return cplatform_injection_strikes(kind) != 0
  #else
    return false
  #endif
}

/// Around the service of a page fault, in which nothing is refused: it ends the process where it cannot be
/// served.
@_alwaysEmitIntoClient @inline(__always)
public func refuseNothing(_ isFault: Bool) {
  #if MERINO_INJECTION
    cplatform_injection_fault(isFault ? 1 : -1)
  #endif
}
