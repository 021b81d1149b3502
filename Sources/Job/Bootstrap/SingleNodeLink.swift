import CBootstrap
import Glibc
import Platform

/// A program that nobody launched: a job of one node, with no socket and no directory.
struct SingleNodeLink: JobLink {
  let node = 0
  let nodeCount = 1
  let secret: (UInt64, UInt64)
  let members = [Member.current()]
  let eventDescriptor: Int32 = -1

  init() throws(BootstrapError) {
    secret = try JobSecret.make()
  }

  func exchange(_ bytes: [UInt8]) -> [[UInt8]] { [bytes] }

  /// Copies, as from a launcher: the caller closes them and keeps its own.
  func exchangeDescriptors(_ descriptors: [Int32]) throws(BootstrapError) -> [[Int32]] {
    try DescriptorLimit.makeRoom(for: descriptors.count, purpose: "an exchange of descriptors")
    let copies = PassedDescriptors()
    for descriptor in descriptors {
      let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
      guard copy >= 0 else { throw .system("duplicate descriptor \(descriptor)", "fcntl") }
      copies.append(contentsOf: [copy])
    }
    return [copies.take()]
  }

  func barrier() {}
  func leave() {}
  func disconnect() {}
  func nextEvent() -> JobEvent? { nil }
  func abort(code: Int32) {}
}

/// The 128 bits by which the nodes of one job know each other.
package enum JobSecret {
  package static func make() throws(BootstrapError) -> (UInt64, UInt64) {
    var words: (UInt64, UInt64) = (0, 0)
    let received = withUnsafeMutableBytes(of: &words) { getrandom($0.baseAddress, $0.count, 0) }
    guard received == MemoryLayout<(UInt64, UInt64)>.size else {
      throw .system("make the job's secret", "getrandom")
    }
    return words
  }
}

extension Member {
  /// Of a slot that nobody has taken.
  static let nobody = Member(processID: 0, hostName: "", machine: "", programName: "")

  /// This process.
  static func current() -> Member {
    Member(
      processID: getpid(), hostName: currentHostName(), machine: currentMachine(),
      programName: currentProgramName())
  }

  /// The boot id and the namespace of processes: containers of one machine with namespaces of their own count
  /// as different ones, since they do not see each other's processes.
  private static func currentMachine() -> String {
    var bytes = [UInt8](repeating: 0, count: 64)
    let file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
    let count = file < 0 ? 0 : max(read(file, &bytes, bytes.count), 0)
    if file >= 0 { close(file) }
    let boot = bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }
    var namespace = [CChar](repeating: 0, count: 64)
    let length = max(readlink("/proc/self/ns/pid", &namespace, namespace.count), 0)
    // Without /proc nothing is known to be shared with anybody: the process stands for itself.
    guard count > 0, length > 0 else { return "unknown, process \(getpid()) of \(currentHostName())" }
    return String(decoding: boot, as: UTF8.self) + " " + text(namespace[..<length])
  }

  package static func currentHostName() -> String {
    var name = [CChar](repeating: 0, count: 256)
    // One byte less than there is: it ends with a zero whatever gethostname does.
    guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
    return text(name.prefix { $0 != 0 })
  }

  private static func currentProgramName() -> String {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let length = readlink("/proc/self/exe", &path, path.count)
    guard length > 0 else { return "a program" }
    return text(path.prefix(length).split(separator: CChar(UInt8(ascii: "/"))).last ?? [])
  }

  private static func text(_ characters: ArraySlice<CChar>) -> String {
    String(decoding: characters.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
