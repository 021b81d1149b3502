import CBootstrap
import CPlatform
import Glibc

/// The connection to a PMI launcher, which an MPI library of this process may use as well. So it stays as it
/// is (blocking, inherited), and not a byte is read beyond the answer to what was asked.
struct PMISocket: Sendable, Hashable {
  let descriptor: Int32
  private let device: UInt
  private let file: UInt

  init(_ descriptor: Int32) throws(BootstrapError) {
    self.descriptor = descriptor
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw Self.unusable(descriptor, "is not open: \(String(cString: strerror(errno)))")
    }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw Self.unusable(descriptor, "is another file than the launcher's connection by now")
    }
    (device, file) = (UInt(clamping: status.st_dev), UInt(clamping: status.st_ino))
  }

  private static func unusable(_ descriptor: Int32, _ what: String) -> BootstrapError {
    let cause =
      cbootstrap_mpi() == CBOOTSTRAP_MPI_FINALIZED
      ? "MPI_Finalize has closed it: join before it, or before MPI_Init"
      : "something between the launcher and the program closed it (a script, sudo, a daemon): start the "
        + "program directly"
    return BootstrapError(
      .cannotReachLauncher,
      "a PMI launcher (mpiexec, srun) started this process, but descriptor \(descriptor), which PMI_FD "
        + "names, \(what). Perhaps \(cause), or set \(Launch.launcherName)=none for a job of one node.")
  }

  /// Still the file that it was; MPI closes it in MPI_Finalize, and the number may be another's then.
  var isMine: Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && UInt(clamping: status.st_dev) == device
      && UInt(clamping: status.st_ino) == file
  }

  func send(_ text: String) throws(BootstrapError) {
    let bytes = Array(text.utf8)
    // Whole messages, far shorter than any buffer.
    let sent = Glibc.send(descriptor, bytes, bytes.count, MessageFlags.noSignal)
    guard sent == bytes.count else {
      throw BootstrapError(
        .cannotReachLauncher,
        "could not ask the launcher (PMI): send said \(String(cString: strerror(errno))). It has ended, or "
          + "it takes this process for finished.")
    }
  }

  /// A line without its end; `nil` where the time (milliseconds) is up.
  func receiveLine(due: UInt64) throws(BootstrapError) -> String? {
    var line: [UInt8] = []
    while line.last != UInt8(ascii: "\n") {
      // Answers are short; beyond this nobody answers but something babbles.
      guard line.count < 8192 else { throw Self.nonsense(line) }
      guard let byte = try receive(1, due: due) else { return nil }
      line.append(contentsOf: byte)
    }
    return String(decoding: line.dropLast(), as: UTF8.self)
  }

  /// Exactly as many bytes; `nil` where the time is up.
  func receive(_ count: Int, due: UInt64) throws(BootstrapError) -> [UInt8]? {
    var bytes: [UInt8] = []
    var step = [UInt8](repeating: 0, count: count)
    while bytes.count < count {
      let received = recv(descriptor, &step, count &- bytes.count, MessageFlags.doNotWait)
      if received > 0 { bytes.append(contentsOf: step.prefix(received)) }
      guard received <= 0 else { continue }
      guard received < 0, errno == EAGAIN || errno == EINTR else {
        throw BootstrapError(
          .cannotReachLauncher,
          "the launcher (PMI) closed its connection to this process while it was joining.")
      }
      let now = cplatform_now_nanoseconds() / 1_000_000
      guard now < due else { return nil }
      var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      poll(&entry, 1, Int32(clamping: due &- now))
    }
    return bytes
  }

  static func due(inMilliseconds limit: Int) -> UInt64 {
    cplatform_now_nanoseconds() / 1_000_000 &+ UInt64(clamping: limit)
  }

  static func nonsense(_ bytes: some Collection<UInt8>) -> BootstrapError {
    let start = String(decoding: bytes.prefix(80), as: UTF8.self)
    return BootstrapError(
      .protocolViolation, "the launcher's answer is none of PMI: \"\(start)\". See what PMI_FD leads to.")
  }

  /// Leaves the launcher by `goodbye`, behind which it closes the connection: never before MPI has said its
  /// own.
  func leave(goodbye: String, receive: @escaping @Sendable () throws(BootstrapError) -> Void) {
    switch cbootstrap_mpi() {
    case CBOOTSTRAP_MPI_ABSENT: sayGoodbye(goodbye, receive)
    case CBOOTSTRAP_MPI_LOADED:
      // MPI_Init may still come. Where it does not the launcher would take the end of this process for a
      // crash.
      LastAct.set {
        if cbootstrap_mpi() == CBOOTSTRAP_MPI_LOADED { sayGoodbye(goodbye, receive) }
      }
    // MPI_Finalize says it, or has said it.
    default: break
    }
  }

  /// The answer is waited for since the launcher takes it ill where it cannot give it.
  private func sayGoodbye(_ goodbye: String, _ receive: () throws(BootstrapError) -> Void) {
    guard isMine else { return }
    do throws(BootstrapError) {
      try send(goodbye)
      try receive()
    } catch {
      // This process has left its job: what its launcher makes of it changes nothing any more.
    }
  }
}
