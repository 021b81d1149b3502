import CPlatform
import Coherence
import Node
import Platform

/// The least that serves faults: raises the page as asked, and counts.
struct ProbeService: FaultService {
  let protection: ViewProtection
  let counter: AtomicWord

  var translation: TranslationTable { protection.translation }

  func serve(view: ViewID, globalOffset: Int, access: Access) -> Bool {
    counter.fetchAdd(1)
    let page = globalOffset >> 12
    protection.raise(PageRange(Page(page), count: 1), to: access, in: view)
    cplatform_set_errno(5)  // for the scenario that looks whether the application sees it
    return protection.failureCode == 0
  }

  // What becomes of the fault itself is what is looked at here.
  func tellChild(_ address: UInt) {}
}

/// Address of the service, 0 before joining. An internal global with a constant initialiser and without
/// exclusivity checks is a plain word, also in a debug build.
@exclusivity(unchecked)
nonisolated(unsafe) var serviceAddress: UInt = 0

@_noLocks
func currentService() -> ProbeService {
  // Set before the handler was installed, never freed.
  UnsafePointer<ProbeService>(bitPattern: serviceAddress).unsafelyUnwrapped.pointee
}

/// The concrete entry: @_noLocks makes the compiler check everything that it reaches.
@_noLocks
@c(probe_fault_entry)
func faultEntry(
  _ signal: Int32, _ info: UnsafeMutableRawPointer?, _ context: UnsafeMutableRawPointer?
) {
  handleFault(currentService(), signal: signal, info: info, context: context)
}

@_noLocks
@c(probe_fault_forward)
func faultForward(
  _ signal: Int32, _ info: UnsafeMutableRawPointer?, _ context: UnsafeMutableRawPointer?
) -> Int32 {
  forwardFault(currentService(), signal: signal, info: info, context: context) ? 1 : 0
}
