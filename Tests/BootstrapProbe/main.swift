// A node for the tests of Bootstrap and of merino run: the first argument says what to do. Prints what it
// sees, one fact a line, in one write each; exits with 0 only when everything was as it must be.
import Bootstrap
import CBootstrap
import Glibc
import Platform

func say(_ line: String) {
  let bytes = Array((line + "\n").utf8)
  _ = write(STDOUT_FILENO, bytes, bytes.count)
}

func check(_ condition: Bool, _ fact: String) {
  guard !condition else { return }
  say("FAILED: \(fact)")
  exit(99)
}

/// A line that tests recognise, then the exit code 9.
func report(_ error: BootstrapError) -> Never {
  say("error \(error.kind): \(error.description)")
  exit(9)
}

let arguments = Array(CommandLine.arguments.dropFirst())
func number(_ index: Int) -> Int { arguments.count > index ? Int(arguments[index]) ?? 0 : 0 }

func join() -> Job {
  do { return try Job.join() } catch { report(error) }
}

do throws(BootstrapError) {
  switch arguments.first ?? "" {
  case "join": try joinAndLeave()
  case "stay": try stay(join(), file: arguments[1])
  case "exchange": try exchange(join(), byteCount: number(1), rounds: number(2))
  case "descriptors": try exchangeDescriptors(join(), count: number(1))
  case "barrier": try barriers(join(), rounds: number(1))
  case "signal": try dieBySignal(join(), node: number(1), signal: Int32(number(2)))
  case "exit": try exitWithoutLeaving(join(), node: number(1), code: Int32(number(2)))
  case "die-slowly": try dieSlowly(join(), node: number(1), code: Int32(number(2)))
  case "exit-after-leave": try exitAfterLeaving(join(), node: number(1), code: Int32(number(2)))
  case "abort": try abort(join(), node: number(1), code: Int32(number(2)))
  case "abort-and-exit": try abortAndExit(join(), node: number(1), code: Int32(number(2)))
  case "machines": try machines(join())
  case "mismatch": try mismatch(join())
  case "uneven-descriptors": try unevenDescriptors(join())
  case "leave-early": try leaveEarly(join())
  case "survive": try survive(join())
  case "as-user": joinAs(user: uid_t(number(1)))
  case "insist-as-user": insistAs(user: uid_t(number(1)), path: arguments[2])
  default:
    say("no such probe")
    exit(98)
  }
} catch {
  report(error)
}

func joinAndLeave() throws(BootstrapError) {
  let job = join()
  let member = job.members[job.node]
  check(job.members.count == job.nodeCount, "a member for each node")
  check(member.processID == getpid() && member.programName == "BootstrapProbe", "\(member)")
  check(job.secret.0 != 0 && job.secret.1 != 0, "a secret")
  check(job.lostPeerWord.load() == 0, "nobody is lost")
  say("joined \(job.node) of \(job.nodeCount) secret \(job.secret)")
  try job.barrier()
  try job.leave()
  check(job.handleEvent() == nil, "leaving is no event")
  do throws(BootstrapError) {
    try job.barrier()
    check(job.nodeCount == 1, "a barrier after leaving fails")
  } catch {
    check(error.kind == .alreadyLeft, "\(error)")
  }
}

/// Joins, says so, and leaves when the file is there.
func stay(_ job: Job, file: String) throws(BootstrapError) {
  try job.barrier()
  say("staying \(job.node)")
  for _ in 0..<2000 where access(file, F_OK) != 0 { usleep(10_000) }
  try job.barrier()
  try job.leave()
}

func exchange(_ job: Job, byteCount: Int, rounds: Int) throws(BootstrapError) {
  for round in 0..<rounds {
    // Every node's part has a length and a content of its own; one of them is empty.
    func part(_ node: Int) -> [UInt8] {
      let count = node == round % job.nodeCount && job.nodeCount > 1 ? 0 : max(byteCount - node - round, 1)
      return [UInt8](repeating: UInt8(truncatingIfNeeded: node * 7 + round), count: count)
    }
    let parts = try job.exchange(part(job.node))
    check(parts.count == job.nodeCount, "a part for each node")
    for node in 0..<job.nodeCount { check(parts[node] == part(node), "part \(node) of round \(round)") }
  }
  try job.leave()
  say("exchanged \(rounds)")
}

func exchangeDescriptors(_ job: Job, count: Int) throws(BootstrapError) {
  var mine: [Int32] = []
  for index in 0..<count {
    let file = memoryFile()
    map(file)[0] = UInt64(job.node * 1000 + index)
    mine.append(file)
  }
  let all = try job.exchangeDescriptors(mine)
  check(all.count == job.nodeCount, "descriptors of each node")
  var seen = Set(mine)
  for (node, descriptors) in all.enumerated() {
    check(descriptors.count == count, "as many from each")
    for (index, descriptor) in descriptors.enumerated() {
      check(seen.insert(descriptor).inserted, "descriptor \(descriptor) is the caller's own")
      check(fcntl(descriptor, F_GETFD) == FD_CLOEXEC, "close-on-exec")
      check(pread64(descriptor) == UInt64(node * 1000 + index), "descriptor \(index) of node \(node)")
      close(descriptor)
    }
  }
  for descriptor in mine { check(fcntl(descriptor, F_GETFD) >= 0, "the sent ones stay open") }
  try job.leave()
  say("descriptors \(job.nodeCount * count)")
}

func barriers(_ job: Job, rounds: Int) throws(BootstrapError) {
  let all = try job.exchangeDescriptors([memoryFile()])
  let counter = AtomicWord(UnsafeMutableRawPointer(map(all[0][0])))
  for round in 1...rounds {
    counter.fetchAdd(1)
    try job.barrier()
    check(counter.load() == UInt64(round * job.nodeCount), "everybody has counted in round \(round)")
    try job.barrier()
  }
  try job.leave()
  say("barriers \(rounds)")
}

/// Memory that has a descriptor and no name.
func memoryFile() -> Int32 {
  var path = Array("/tmp/merino-probe-XXXXXX".utf8CString)
  let file = mkstemp(&path)
  check(file >= 0 && unlink(path) == 0 && ftruncate(file, 8) == 0, "a file")
  return file
}

func map(_ file: Int32) -> UnsafeMutablePointer<UInt64> {
  let address = mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
  guard let address, address != MAP_FAILED else {
    say("FAILED: mmap")
    exit(99)
  }
  return address.assumingMemoryBound(to: UInt64.self)
}

func pread64(_ file: Int32) -> UInt64 {
  var word: UInt64 = 0
  check(pread(file, &word, 8, 0) == 8, "a word to read")
  return word
}

/// Waits to be ended; a node that is not fails the test by its own time limit.
func waitForTheEnd() -> Never {
  sleep(30)
  say("FAILED: not ended")
  exit(99)
}

func dieBySignal(_ job: Job, node: Int, signal: Int32) throws(BootstrapError) {
  say("process \(getpid())")
  try job.barrier()
  if job.node == node {
    // The runtime's own handler (the backtracer) would return from a raised SIGSEGV.
    Glibc.signal(signal, SIG_DFL)
    raise(signal)
  }
  waitForTheEnd()
}

func exitWithoutLeaving(_ job: Job, node: Int, code: Int32) throws(BootstrapError) {
  say("process \(getpid())")
  try job.barrier()
  if job.node == node { exit(code) }
  waitForTheEnd()
}

/// Its connections are closed, as the kernel does first, and then it takes its time.
func dieSlowly(_ job: Job, node: Int, code: Int32) throws(BootstrapError) {
  say("process \(getpid())")
  try job.barrier()
  if job.node == node {
    Glibc.signal(SIGTERM, SIG_IGN)
    for descriptor in 3..<Int32(256) { close(descriptor) }
    // Behind the launcher's patience (200 ms), before it kills (600 ms).
    usleep(400_000)
    _exit(code)
  }
  waitForTheEnd()
}

func exitAfterLeaving(_ job: Job, node: Int, code: Int32) throws(BootstrapError) {
  try job.barrier()
  try job.leave()
  if job.node == node { exit(code) }
  usleep(600_000)
  say("went on")
}

func abort(_ job: Job, node: Int, code: Int32) throws(BootstrapError) {
  try job.barrier()
  if job.node == node { job.abort(code: code) }
  waitForTheEnd()
}

func abortAndExit(_ job: Job, node: Int, code: Int32) throws(BootstrapError) {
  try job.barrier()
  if job.node == node {
    job.abort(code: code)
    exit(code)
  }
  waitForTheEnd()
}

func machines(_ job: Job) throws(BootstrapError) {
  let machines = Set(job.members.map(\.machine))
  say("\(machines.count) machines, all on one: \(job.areAllOnOneMachine)")
  _ = try job.exchangeDescriptors([STDIN_FILENO])
  try job.leave()
}

func mismatch(_ job: Job) throws(BootstrapError) {
  if job.node == 0 { try job.barrier() } else { _ = try job.exchange([1]) }
}

func unevenDescriptors(_ job: Job) throws(BootstrapError) {
  _ = try job.exchangeDescriptors(Array(repeating: STDIN_FILENO, count: job.node + 1))
}

func leaveEarly(_ job: Job) throws(BootstrapError) {
  if job.node == 0 {
    try job.leave()
  } else {
    try job.barrier()
  }
}

/// For a server without a launcher: node 1 dies, the others say what they see of it.
func survive(_ job: Job) throws(BootstrapError) {
  try job.barrier()
  if job.node == 1 { raise(SIGKILL) }
  do throws(BootstrapError) {
    try job.barrier()
    check(false, "a barrier without node 1")
  } catch {
    say("call \(error.kind) \(error.node ?? -1): \(error)")
    check(job.lostPeerWord.load() == 2, "the failed call has noted the loss")
  }
  var entry = pollfd(fd: job.eventDescriptor, events: Int16(POLLIN), revents: 0)
  check(poll(&entry, 1, 10_000) == 1, "an event comes")
  guard case .peerLost(let node, let how)? = job.handleEvent() else {
    return check(false, "the event is a loss")
  }
  say("event \(node): \(how)")
  check(job.handleEvent() == nil, "there is one event")
  do throws(BootstrapError) {
    _ = try job.exchange([])
    check(false, "an exchange after the loss")
  } catch {
    check(error.kind == .peerLost && error.node == 1, "\(error)")
  }
  try job.leave()
}

func become(_ user: uid_t) {
  check(setgid(gid_t(user)) == 0 && setuid(user) == 0, "become user \(user)")
}

func joinAs(user: uid_t) {
  become(user)
  _ = join()
  say("FAILED: joined")
}

/// Connects whoever the launcher is, and says what it answers.
func insistAs(user: uid_t, path: String) {
  become(user)
  let connection = cbootstrap_connect(path)
  check(connection >= 0, "connected")
  var answer: [UInt8] = []
  var bytes = [UInt8](repeating: 0, count: 4096)
  while case let count = recv(connection, &bytes, bytes.count, 0), count > 0 { answer += bytes[..<count] }
  say(String(decoding: answer, as: UTF8.self))
}
