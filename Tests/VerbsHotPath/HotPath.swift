// A target of its own: in a target with annotated functions the tests' macros do not compile.
import Verbs

/// As a page-fault handler would post and poll: the compiler refuses this function if anything below
/// allocates, counts references, or takes a lock of the runtime.
@_noLocks
public func readWord(
  _ pair: RawQueuePair, _ queue: RawCompletionQueue, _ memory: UnsafeMutableRawPointer, from: RemoteBuffer,
  into: LocalBuffer
) -> UInt32 {
  var chain = SendChain(memory.assumingMemoryBound(to: SendChain.Slot.self), capacity: 2)
  chain.fetchAdd(id: 1, at: from, addend: 1, old: into)
  chain.read(id: 2, from: from, into: into, flags: .signaled)
  let outcome = pair.post(chain)
  if outcome.code != 0 || outcome.postedCount != 2 { return UInt32.max }
  var completion = WorkCompletion()
  var polls = 0
  while queue.poll(into: &completion, capacity: 1) == 0 {
    polls += 1
    if polls == 1_000_000 { return UInt32.max }
  }
  return completion.status.rawValue
}
