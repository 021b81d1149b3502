import CBootstrap
import Glibc
import Synchronization

/// A launcher that speaks PMIx: Open MPI's `mpirun`, `prterun`, `srun --mpi=pmix`. PMIx counts who has
/// initialised it, so an MPI library of this process may come and go before and behind.
final class PMIxManager: ProcessManager {
  let name = "the launcher (PMIx)"
  let node: Int
  let nodeCount: Int
  private let library: Library
  private static let attempts = Atomic(0)

  /// libpmix may be called by any thread.
  private struct Library: @unchecked Sendable {
    let pointer: OpaquePointer
  }

  init() throws(BootstrapError) {
    let named = getenv(PMIxLibrary.variable).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    let pointer = try PMIxLibrary.load(named: named)
    var (rank, size): (UInt32, UInt32) = (0, 0)
    let status = cbootstrap_pmix_init(pointer, &rank)
    guard status == 0 else {
      throw BootstrapError(
        .cannotReachLauncher,
        "PMIX_RANK is set: a PMIx launcher (mpirun, prterun, srun --mpi=pmix) started this process, but "
          + "PMIx_Init of \(String(cString: cbootstrap_pmix_path(pointer))) failed: "
          + "\(Self.words(pointer, status)). The launcher may have ended, or its PMIx may be too different "
          + "(\(PMIxLibrary.variable) names another libpmix); \(Launch.launcherName)=none makes this process "
          + "a job of one node.")
    }
    do throws(BootstrapError) {
      let status = cbootstrap_pmix_job_size(pointer, &size)
      guard status == 0 else { throw Self.failed("say how many processes there are", pointer, status) }
      try NodeNumbers.check(rank: Int(rank), size: Int(size), "PMIx's rank and job size")
    } catch {
      cbootstrap_pmix_finalize(pointer)
      throw error
    }
    (node, nodeCount) = (Int(rank), Int(size))
    library = Library(pointer: pointer)
  }

  private static func words(_ pointer: OpaquePointer, _ status: Int32) -> String {
    "\(String(cString: cbootstrap_pmix_words(pointer, status))) (\(status))"
  }

  private static func failed(_ what: String, _ pointer: OpaquePointer, _ status: Int32) -> BootstrapError {
    BootstrapError(
      .cannotReachLauncher,
      "the launcher (PMIx) could not \(what) while this process was joining: \(words(pointer, status)).")
  }

  private static let longestText = 4096

  func share(_ text: String?, withinMilliseconds limit: Int) throws(BootstrapError) -> String {
    let pmix = library.pointer
    let key = "merino-\(Self.attempts.add(1, ordering: .relaxed).newValue)"
    if let text {
      let status = cbootstrap_pmix_put(pmix, key, text)
      guard status == 0 else { throw Self.failed("take node 0's address", pmix, status) }
    }
    let fence = cbootstrap_pmix_fence(pmix, Int32(clamping: limit))
    guard fence != CBOOTSTRAP_PMIX_TIMED_OUT else { throw timedOut(limit) }
    guard fence == 0 else { throw Self.failed("bring the processes together", pmix, fence) }
    var bytes = [CChar](repeating: 0, count: Self.longestText)
    let status = cbootstrap_pmix_get(pmix, 0, key, &bytes, Int32(bytes.count))
    guard status == 0 else { throw Self.failed("give node 0's address", pmix, status) }
    return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  func abort(code: Int32) {
    _ = cbootstrap_pmix_abort(library.pointer, code & 0xFF, "merino_abort on node \(node)")
  }

  /// One of the calls of PMIx_Finalize that undo those of PMIx_Init. The last one tells the launcher, and is
  /// the last for good: Open MPI cannot initialise PMIx again. Where MPI_Init may still come it waits for the
  /// process's end.
  func leave() {
    let library = library
    if cbootstrap_mpi() == CBOOTSTRAP_MPI_LOADED {
      LastAct.set { cbootstrap_pmix_finalize(library.pointer) }
    } else {
      cbootstrap_pmix_finalize(library.pointer)
    }
  }
}
