import CVerbs
import Glibc

/// True once the descriptor can be read, false where the time ran out. A negative time waits for ever.
func waitReadable(
  _ descriptor: Int32, _ timeoutMilliseconds: Int, on object: @autoclosure () -> String
) throws(VerbsError) -> Bool {
  let deadline = timeoutMilliseconds < 0 ? Int.max : nowMilliseconds() + timeoutMilliseconds
  while true {
    var left: Int32 = -1
    if timeoutMilliseconds >= 0 { left = Int32(clamping: max(0, deadline - nowMilliseconds())) }
    var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    let ready = poll(&waited, 1, left)
    if ready > 0 { return true }
    if ready == 0 { return false }
    let code = errno
    // A signal ended the wait: go on with what is left of the time.
    if code != EINTR { throw VerbsError("poll", on: object(), .system(code: code)) }
  }
}

func nowMilliseconds() -> Int {
  var now = timespec()
  clock_gettime(CLOCK_MONOTONIC, &now)
  return Int(now.tv_sec) * 1000 + Int(now.tv_nsec) / 1_000_000
}
