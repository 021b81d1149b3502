import CPlatform
import Glibc

/// One thread's wait for descriptors and times, over poll(2). The launcher and the rendezvous server
/// run on one of these; nothing here is thread-safe.
package final class EventLoop {
  /// Called with what poll(2) returned for the descriptor.
  package typealias Handler = (Int16) -> Void

  private final class Watch {
    var events: Int16
    let handler: Handler
    init(events: Int16, handler: @escaping Handler) {
      self.events = events
      self.handler = handler
    }
  }

  /// A call that is due at a time; cancelled by `cancel`.
  package final class Timer {
    fileprivate let dueNanoseconds: UInt64
    fileprivate var action: (() -> Void)?
    fileprivate init(dueNanoseconds: UInt64, action: @escaping () -> Void) {
      self.dueNanoseconds = dueNanoseconds
      self.action = action
    }
    package func cancel() { action = nil }
  }

  private var watches: [Int32: Watch] = [:]
  private var timers: [Timer] = []
  private var polled: [pollfd] = []
  private var polledIsStale = false

  package init() {}

  package func watch(_ descriptor: Int32, _ events: Int32, _ handler: @escaping Handler) {
    watches[descriptor] = Watch(events: Int16(events), handler: handler)
    polledIsStale = true
  }

  /// Events 0 still reports hang-ups and errors.
  package func change(_ descriptor: Int32, _ events: Int32) {
    guard let watch = watches[descriptor], watch.events != Int16(events) else { return }
    watch.events = Int16(events)
    polledIsStale = true
  }

  package func unwatch(_ descriptor: Int32) {
    watches[descriptor] = nil
    polledIsStale = true
  }

  /// Behind an accept(2) that failed, `errno` being its. Where nobody is left in the queue poll(2) says when
  /// somebody comes. Where no descriptor is free it would say at once, again and again, that somebody waits:
  /// looks again in a while.
  func pauseAccepting(_ listener: Int32) {
    guard [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno), let watch = watches[listener] else { return }
    change(listener, 0)
    after(milliseconds: 100) { [weak self] in
      if self?.watches[listener] === watch { self?.change(listener, POLLIN) }
    }
  }

  @discardableResult
  package func after(milliseconds: Int, _ action: @escaping () -> Void) -> Timer {
    // However long somebody else wants to be waited for: what is beyond the clock's range never comes.
    let (span, isTooLong) = UInt64(max(milliseconds, 0)).multipliedReportingOverflow(by: 1_000_000)
    let (due, isTooLate) = cplatform_now_nanoseconds().addingReportingOverflow(span)
    let timer = Timer(dueNanoseconds: isTooLong || isTooLate ? .max : due, action: action)
    timers.append(timer)
    return timer
  }

  /// Serves what is ready, or waits up to the limit (-1: none) for the first thing that is.
  package func runOnce(withinMilliseconds limit: Int = -1) {
    if polledIsStale {
      polled = watches.map { pollfd(fd: $0.key, events: $0.value.events, revents: 0) }
      polledIsStale = false
    }
    // Interrupted or failed for want of memory: nothing is ready now, the caller comes again.
    if poll(&polled, nfds_t(polled.count), waitMilliseconds(limit)) > 0 { serveDescriptors() }
    serveTimers()
  }

  package func run(while condition: () -> Bool) {
    while condition() { runOnce() }
  }

  private func waitMilliseconds(_ limit: Int) -> Int32 {
    timers.removeAll { $0.action == nil }
    guard let due = timers.map(\.dueNanoseconds).min() else { return Int32(clamping: limit) }
    let now = cplatform_now_nanoseconds()
    let left = due <= now ? 0 : due &- now
    let untilDue = Int(clamping: left / 1_000_000 &+ (left % 1_000_000 == 0 ? 0 : 1))
    return Int32(clamping: limit < 0 ? untilDue : min(limit, untilDue))
  }

  private func serveDescriptors() {
    // A handler may remove other descriptors, and their numbers may come back for new files: only
    // a watch that is still the one that was polled gets its event.
    let ready = polled.filter { $0.revents != 0 }.map { ($0, watches[$0.fd]) }
    for (entry, watch) in ready {
      guard let watch, watches[entry.fd] === watch else { continue }
      watch.handler(entry.revents)
    }
  }

  private func serveTimers() {
    guard !timers.isEmpty else { return }
    let now = cplatform_now_nanoseconds()
    let due = timers.filter { $0.dueNanoseconds <= now }
    timers.removeAll { $0.dueNanoseconds <= now }
    for timer in due { timer.action?() }
  }
}
