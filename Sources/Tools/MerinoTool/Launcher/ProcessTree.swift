import CBootstrap
import CPlatform
import Glibc

/// What this process has started, directly or not. It is a subreaper, so whatever loses its parent
/// comes back to it: as long as there is a descendant there is a child, and waitpid(2) says ECHILD
/// only when all are gone.
enum ProcessTree {
  struct Entry {
    let process: pid_t
    let parent: pid_t
  }

  /// Children first, then theirs, and so on.
  static func descendants(of root: pid_t, sparing spared: Set<pid_t> = []) -> [Entry] {
    var children: [pid_t: [pid_t]] = [:]
    for entry in allProcesses() { children[entry.parent, default: []].append(entry.process) }
    var found: [Entry] = []
    var parents = [root]
    while let parent = parents.popLast() {
      let direct = (children.removeValue(forKey: parent) ?? []).filter { !spared.contains($0) }
      found += direct.map { Entry(process: $0, parent: parent) }
      parents += direct
    }
    return found
  }

  /// The youngest first: a parent that dies hands its children on, and they would be missed.
  /// `spared`: these, and what they started, get nothing.
  static func signalDescendants(_ number: Int32, sparing spared: Set<pid_t> = []) {
    for entry in descendants(of: getpid(), sparing: spared).reversed() {
      // By id, and only if it is still that parent's child: an id that went to somebody else is spared.
      _ = cbootstrap_signal_child(entry.process, entry.parent, number)
    }
  }

  enum Reaped {
    case child(pid_t, ExitStatus)
    /// There are children, and they run.
    case none
    case noChildren
  }

  static func reap() -> Reaped {
    var status: Int32 = 0
    while true {
      let process = waitpid(-1, &status, WNOHANG)
      if process > 0 { return .child(process, ExitStatus(raw: status)) }
      if process == 0 { return .none }
      if errno != EINTR { return .noChildren }
    }
  }

  /// Kills what there is until nothing is left; false where something does not die in time.
  static func killAll(withinMilliseconds limit: Int) -> Bool {
    let start = cplatform_now_nanoseconds()
    while true {
      signalDescendants(SIGKILL)
      reaping: while true {
        switch reap() {
        case .child: continue
        case .none: break reaping
        case .noChildren: return true
        }
      }
      if (cplatform_now_nanoseconds() - start) / 1_000_000 > UInt64(limit) { return false }
      cplatform_sleep_nanoseconds(5_000_000)
    }
  }

  private static func allProcesses() -> [Entry] {
    guard let directory = opendir("/proc") else { return [] }
    defer { closedir(directory) }
    var entries: [Entry] = []
    while let entry = readdir(directory) {
      // d_name ends with a zero inside the entry, which stays valid until the next readdir.
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { $0.prefix { $0 != 0 }.map { $0 } }
      guard let process = pid_t(String(decoding: name, as: UTF8.self)) else { continue }
      let parent = cbootstrap_parent(process)
      if parent > 0 { entries.append(Entry(process: process, parent: parent)) }
    }
    return entries
  }
}
