import Glibc
import Synchronization

@testable import Bootstrap

/// A PMI launcher within the test, on a thread of its own, with one connection for each process.
final class FakePMI: @unchecked Sendable {
  enum Manner: Sendable {
    case good
    /// Does not answer questions of this kind.
    case silent(String)
    /// Answers them by this, as it stands.
    case says(String, String)
    /// Ends the connection instead.
    case closes(String)
  }

  let size: Int
  let version: PMIPlace.Version
  /// The processes' ends.
  let descriptors: [Int32]
  private let ours: [Int32]
  private let manner: Manner
  private let valueByteCount: Int
  private var values: [String: String] = [:]
  private var waiting: Set<Int> = []
  private var received: [[UInt8]]
  private var thread: pthread_t?
  /// Of each process, in order: the commands.
  let heard = Mutex<[[String]]>([])

  init(_ size: Int, _ version: PMIPlace.Version, _ manner: Manner = .good, valueByteCount: Int = 256) {
    self.size = size
    self.version = version
    self.manner = manner
    self.valueByteCount = valueByteCount
    var pairs: [(Int32, Int32)] = []
    for _ in 0..<size {
      var pair: [Int32] = [-1, -1]
      precondition(
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &pair) == 0)
      pairs.append((pair[0], pair[1]))
    }
    ours = pairs.map(\.0)
    descriptors = pairs.map(\.1)
    received = Array(repeating: [], count: size)
    heard.withLock { $0 = Array(repeating: [], count: size) }
    thread = startThread { [self] in run() }
  }

  func place(_ rank: Int) -> PMIPlace {
    PMIPlace(rank: rank, size: size, descriptor: descriptors[rank], version: version, jobName: "job;7")
  }

  /// Ends the processes' connections, and with the last of them the thread.
  func close() {
    for descriptor in descriptors { Glibc.close(descriptor) }
    if let thread { pthread_join(thread, nil) }
    thread = nil
  }

  private func run() {
    var open = Set(0..<size)
    while !open.isEmpty {
      let order = open.sorted()
      var entries = order.map { pollfd(fd: ours[$0], events: Int16(POLLIN), revents: 0) }
      poll(&entries, nfds_t(entries.count), -1)
      for (index, entry) in entries.enumerated() where entry.revents != 0 {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = recv(entry.fd, &bytes, bytes.count, 0)
        if count <= 0 {
          open.remove(order[index])
          Glibc.close(entry.fd)
        } else {
          received[order[index]] += bytes[..<count]
          while serveNext(order[index]) {}
        }
      }
    }
  }

  /// Takes one message, whichever way it is written.
  private func serveNext(_ rank: Int) -> Bool {
    let bytes = received[rank]
    if bytes.starts(with: "cmd=".utf8) {
      guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else { return false }
      received[rank].removeFirst(end + 1)
      serve(PMIMessage(line: String(decoding: bytes[..<end], as: UTF8.self)), of: rank)
      return true
    }
    guard bytes.count >= 6,
      let length = Int(String(decoding: bytes[..<6].filter { $0 != 32 }, as: UTF8.self)),
      bytes.count >= 6 + length
    else { return false }
    received[rank].removeFirst(6 + length)
    serve(PMIMessage(frame: String(decoding: bytes[6..<6 + length], as: UTF8.self)), of: rank)
    return true
  }

  private func serve(_ message: PMIMessage?, of rank: Int) {
    guard let message else { return }
    heard.withLock { $0[rank].append(message.command) }
    switch manner {
    case .silent(message.command): return
    case .says(message.command, let text): return say(text, rank)
    case .closes(message.command):
      shutdown(ours[rank], Int32(SHUT_RDWR))
      return
    default: break
    }
    let (key, value) = (message.fields["key"] ?? "", message.fields["value"] ?? "")
    switch message.command {
    case "init": say("cmd=response_to_init pmi_version=2 pmi_subversion=0 rc=0\n", rank)
    case "fullinit": frame("fullinit-response;rank=\(rank);size=\(size);appnum=0;rc=0", rank)
    case "get_maxes": say("cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=\(valueByteCount)\n", rank)
    case "get_my_kvsname": say("cmd=my_kvsname kvsname=kvs_1\n", rank)
    case "put", "kvs-put":
      values[key] = value
      if version == .one {
        say("cmd=put_result rc=0 msg=success\n", rank)
      } else {
        frame("kvs-put-response;rc=0", rank)
      }
    case "get":
      say(
        values[key].map { "cmd=get_result rc=0 msg=success value=\($0)\n" }
          ?? "cmd=get_result rc=-1 msg=none\n", rank)
    case "kvs-get":
      let found = values[key].map { "found=TRUE;value=\($0.split(separator: ";").joined(separator: ";;"))" }
      frame("kvs-get-response;\(found ?? "found=FALSE");rc=0", rank)
    case "barrier_in", "kvs-fence": fence(rank)
    case "finalize": version == .one ? say("cmd=finalize_ack\n", rank) : frame("finalize-response;rc=0", rank)
    default: break
    }
  }

  private func fence(_ rank: Int) {
    waiting.insert(rank)
    guard waiting.count == size else { return }
    waiting = []
    for rank in 0..<size {
      if version == .one { say("cmd=barrier_out\n", rank) } else { frame("kvs-fence-response;rc=0", rank) }
    }
  }

  private func frame(_ text: String, _ rank: Int) { say(Self.framed("cmd=\(text);"), rank) }

  /// The length before or behind its blanks: there are both kinds of launchers.
  static func framed(_ body: String) -> String {
    let length = "\(body.utf8.count)"
    let blanks = String(repeating: " ", count: 6 - length.count)
    return (body.utf8.count % 2 == 0 ? blanks + length : length + blanks) + body
  }

  private func say(_ text: String, _ rank: Int) {
    let bytes = Array(text.utf8)
    _ = send(ours[rank], bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }
}

private final class Running {
  let body: () -> Void
  init(_ body: @escaping () -> Void) { self.body = body }
}

func startThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
  var id = pthread_t()
  // The thread takes the reference over.
  let running = Unmanaged.passRetained(Running(body))
  let code = pthread_create(
    &id, nil,
    { argument in
      guard let argument else { return nil }
      Unmanaged<Running>.fromOpaque(argument).takeRetainedValue().body()
      return nil
    }, running.toOpaque())
  precondition(code == 0, "pthread_create failed with \(code)")
  return id
}

/// Runs `body(0 ..< count)` on a thread each, and waits for all.
func onThreads<T: Sendable>(
  _ count: Int, _ body: @escaping @Sendable (Int) throws -> T
) -> [Result<T, any Error>] {
  let outcomes = Outcomes<T>()
  let threads = (0..<count).map { index in
    startThread {
      let result = Result { try body(index) }
      outcomes.all.withLock { $0[index] = result }
    }
  }
  for id in threads { pthread_join(id, nil) }
  return outcomes.all.withLock { all in (0..<count).compactMap { all[$0] } }
}

private final class Outcomes<T: Sendable>: Sendable {
  let all = Mutex<[Int: Result<T, any Error>]>([:])
}
