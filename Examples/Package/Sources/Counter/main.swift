// counter: all nodes add to one number in shared memory, under a lock.
//
//   swift build && merino run -n 2 -- .build/debug/Counter
import Merino

let cluster = try Cluster.join()
let rounds = 200
let block = try cluster.collectiveAllocate(byteCount: MemoryLayout<Int>.stride)
let counter = block.bindMemory(to: Int.self, capacity: 1)
let lock = try cluster.makeLock(named: "counter")
for _ in 0..<rounds {
  try lock.withLock { counter.pointee += 1 }
}
try cluster.barrier()
let isRight = counter.pointee == rounds * cluster.nodeCount
if cluster.node == 0 {
  print("\(isRight ? "PASS" : "FAIL") counter: \(counter.pointee) on \(cluster.nodeCount) nodes")
}
try cluster.finalize()
if !isRight { fatalError("the counter lost something") }
