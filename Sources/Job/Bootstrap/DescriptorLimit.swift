import Glibc

/// How many files this process may have open (`RLIMIT_NOFILE`).
package enum DescriptorLimit {
  package static func current() -> rlimit {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return limit
  }

  /// Makes room for `count` more descriptors, raising the soft limit towards the hard one where it
  /// has to be. Throws where even the hard limit does not suffice.
  package static func makeRoom(for count: Int, purpose: String) throws(BootstrapError) {
    var limit = current()
    let needed = rlim_t(openCount() + count + 16)
    guard limit.rlim_cur < needed else { return }
    guard limit.rlim_max >= needed else {
      throw BootstrapError(
        .limitExceeded,
        "\(purpose) needs \(needed) open files in this process, and the hard limit (RLIMIT_NOFILE) is "
          + "\(limit.rlim_max); raise it (ulimit -Hn, or nofile in /etc/security/limits.conf) "
          + "or use fewer nodes."
      )
    }
    limit.rlim_cur = needed
    guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      throw .system("raise the limit of open files (RLIMIT_NOFILE) to \(needed)", "setrlimit")
    }
  }

  /// `makeRoom` for what is no reason not to begin: where the hard limit does not suffice, as much as there
  /// is.
  static func raise(for count: Int) {
    do throws(BootstrapError) {
      try makeRoom(for: count, purpose: "")
    } catch {
      raiseToHardLimit()
    }
  }

  /// For a process that cannot know how many it will need: the launcher, through which all nodes'
  /// descriptors pass.
  package static func raiseToHardLimit() {
    var limit = current()
    limit.rlim_cur = limit.rlim_max
    // Where it fails the old limit stands, and whoever meets it says so.
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }

  /// Descriptors were lost on their way in, because the limit was reached.
  static func exceeded() -> BootstrapError {
    BootstrapError(
      .limitExceeded,
      "descriptors that nodes exchange could not be received: process \(getpid()) may not have more than "
        + "\(current().rlim_cur) files open (RLIMIT_NOFILE); raise the limit (ulimit -n) or use fewer nodes.")
  }

  /// The kernel bounds the descriptors that one user has in flight between processes (ETOOMANYREFS);
  /// they drain as receivers run, so the sender comes again: for ten seconds altogether.
  static let inFlightPauseMilliseconds = 5
  static let inFlightAttempts = 2000

  static func tooManyInFlight() -> BootstrapError {
    BootstrapError(
      .limitExceeded,
      "descriptors could not be passed to another node for 10 s, because this user has as many in flight as "
        + "RLIMIT_NOFILE allows (\(current().rlim_cur)); raise the limit (ulimit -n) or use fewer nodes.")
  }

  /// Descriptors open in this process now; 0 where /proc does not say.
  private static func openCount() -> Int {
    guard let directory = opendir("/proc/self/fd") else { return 0 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
  }
}
