// jacobi: the heat equation on a square plate, relaxed by Jacobi's method; each node has its share of the rows.
//
//   merino run -n 4 -- .build/release/JacobiExample [SIDE [STEPS]]
//
// The same as jacobi.c, in Swift. Each step reads the old plate and writes the new one, then all nodes
// meet in a barrier. At the end node 0 computes the same steps alone, in private memory, and compares bit for bit.
import Merino

typealias Plate = UnsafeMutableBufferPointer<Double>

/// The edges of the plate are kept at fixed temperatures; inside it is cold.
func fill(_ plate: Plate, side: Int, rows: Range<Int>) {
  for row in rows {
    for column in 0..<side {
      let isEdge = column == 0 || column == side - 1
      plate[row * side + column] =
        row == 0 ? 100 : row == side - 1 ? -20 : isEdge ? 37.5 * Double(row) / Double(side) : 0
    }
  }
}

/// One step for `rows`. The same code for one node and for many: the same bits.
func step(from: Plate, to: Plate, side: Int, rows: Range<Int>) {
  for row in rows where row > 0 && row < side - 1 {
    let here = row * side
    for i in here + 1..<here + side - 1 {
      to[i] = 0.25 * (from[i - side] + from[i + side] + from[i - 1] + from[i + 1])
    }
  }
}

func equalsSequential(_ result: Plate, side: Int, steps: Int) -> Bool {
  var from = Plate.allocate(capacity: side * side)
  var to = Plate.allocate(capacity: side * side)
  defer {
    from.deallocate()
    to.deallocate()
  }
  fill(from, side: side, rows: 0..<side)
  fill(to, side: side, rows: 0..<side)
  for _ in 0..<steps {
    step(from: from, to: to, side: side, rows: 0..<side)
    swap(&from, &to)
  }
  return zip(from, result).allSatisfy { $0.bitPattern == $1.bitPattern }
}

@main
struct Jacobi {
  static func main() throws {
    let side = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 500
    let steps = CommandLine.arguments.dropFirst(2).first.flatMap { Int($0) } ?? 100
    guard side >= 3, steps >= 0 else {
      print("usage: JacobiExample [SIDE [STEPS]], SIDE at least 3")
      return
    }
    let cluster = try Cluster.join()
    let bytes = side * side * MemoryLayout<Double>.stride
    func plate() throws -> Plate {
      let block = try cluster.collectiveAllocate(byteCount: bytes)
      return Plate(start: block.bindMemory(to: Double.self, capacity: side * side), count: side * side)
    }
    var from = try plate()
    var to = try plate()
    let rows = side * cluster.node / cluster.nodeCount..<side * (cluster.node + 1) / cluster.nodeCount
    fill(from, side: side, rows: rows)
    fill(to, side: side, rows: rows)
    try cluster.barrier()
    for _ in 0..<steps {
      step(from: from, to: to, side: side, rows: rows)
      try cluster.barrier()
      swap(&from, &to)
    }

    let statistics = cluster.statistics
    let sums = try cluster.allReduce([statistics.pagesFetched, statistics.diffsSent], .sum)
    var isEqual = true
    if cluster.node == 0 {
      isEqual = equalsSequential(from, side: side, steps: steps)
      print("jacobi (Swift): \(sums[0]) pages fetched, \(sums[1]) diffs sent")
      let verdict = isEqual ? "PASS" : "FAIL"
      print("\(verdict) jacobi.swift: \(side) x \(side), \(steps) steps on \(cluster.nodeCount) nodes")
    }
    let wrong = try cluster.allReduce([isEqual ? Int64(0) : 1], .sum)[0]
    try cluster.finalize()
    if wrong != 0 { throw Wrong() }
  }

  struct Wrong: Error {}
}
