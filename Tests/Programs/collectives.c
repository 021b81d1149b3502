// Broadcast, reduction and the barrier of all nodes: results, and calls that do not match.
#include "check.h"

#include <math.h>

static int nodes;

#define REDUCE(suffix, type, value, op, expected, name)                                                    \
  do {                                                                                                     \
    type x = (value);                                                                                      \
    int code = merino_allreduce_##suffix(&x, 1, op);                                                       \
    CHECK(code == 0 && x == (expected), name);                                                             \
  } while (0)

static void reductions(void) {
  int64_t n = nodes, me = check_node;
  int64_t factorial = 1, all_or = 0, all_and = -1, all_xor = 0;
  for (int64_t i = 0; i < n; i++) {
    factorial *= i + 2;
    all_or |= (int64_t)1 << i;
    all_and &= 7 ^ (i % 2);
    all_xor ^= i * 12345;
  }
  REDUCE(i64, int64_t, me - 1, MERINO_SUM, n * (n - 1) / 2 - n, "i64 sum");
  REDUCE(i64, int64_t, me + 2, MERINO_PROD, factorial, "i64 product");
  REDUCE(i64, int64_t, me - 2, MERINO_MIN, -2, "i64 min, negative");
  REDUCE(i64, int64_t, -me, MERINO_MAX, 0, "i64 max");
  REDUCE(i64, int64_t, (int64_t)1 << me, MERINO_BOR, all_or, "i64 or");
  REDUCE(i64, int64_t, 7 ^ (me % 2), MERINO_BAND, all_and, "i64 and");
  REDUCE(i64, int64_t, me * 12345, MERINO_BXOR, all_xor, "i64 xor");
  REDUCE(u64, uint64_t, UINT64_MAX - (uint64_t)me, MERINO_MIN, UINT64_MAX - (uint64_t)(n - 1), "u64 min");
  REDUCE(u64, uint64_t, UINT64_MAX - (uint64_t)me, MERINO_MAX, UINT64_MAX, "u64 max, unsigned");
  REDUCE(u64, uint64_t, UINT64_MAX, MERINO_SUM, (uint64_t)-n, "u64 sum, modulo 2^64");
  REDUCE(f64, double, 0.5 + (double)me, MERINO_SUM, (double)n / 2 + (double)(n * (n - 1)) / 2, "f64 sum");
  REDUCE(f64, double, (double)me, MERINO_MAX, (double)(n - 1), "f64 max");
  REDUCE(f64, double, -(double)me, MERINO_MIN, -(double)(n - 1), "f64 min");
  REDUCE(f64, double, 2.0, MERINO_PROD, ldexp(1, nodes), "f64 product");
  // Values whose sum depends on the order: all nodes get the same bits, those of node order.
  double values[700], expected[700];
  uint64_t bits = 0;
  int wrong = 0;
  for (int i = 0; i < 700; i++) {
    expected[i] = 0;
    for (int node = 0; node < nodes; node++) {
      double x = (node % 2 ? -1 : 1) * ldexp(1.0 + (double)(i + node) / 7, (i * 13 + node * 29) % 60);
      expected[i] = node == 0 ? x : expected[i] + x;
      if (node == check_node) values[i] = x;
    }
  }
  NEED(merino_allreduce_f64(values, 700, MERINO_SUM));
  CHECK(memcmp(values, expected, sizeof values) == 0, "f64 sum of 700: in node order, bit for bit");
  for (int i = 0; i < 700; i++) {
    uint64_t word;
    memcpy(&word, &values[i], 8);
    bits = bits * 31 + word;
  }
  uint64_t least = bits, most = bits;
  NEED(merino_allreduce_u64(&least, 1, MERINO_MIN));
  NEED(merino_allreduce_u64(&most, 1, MERINO_MAX));
  CHECK(least == most, "f64 sum: the same on all nodes");
  // Into shared memory, which others then read.
  uint64_t *row = merino_collective_malloc((size_t)nodes * 4096, 0);
  uint64_t *mine = row + 512 * check_node;
  mine[0] = (uint64_t)check_node;
  mine[1] = 1;
  CHECK_CODE(merino_allreduce_u64(mine, 2, MERINO_SUM), 0, "reduce in shared memory");
  NEED(merino_barrier());
  for (int i = 0; i < nodes; i++) wrong += row[512 * i + 1] != (uint64_t)nodes;
  CHECK(wrong == 0, "results in shared memory");
  NEED(merino_collective_free(row));
  CHECK_CODE(merino_allreduce_i64(NULL, 0, MERINO_SUM), 0, "reduce: nothing, a barrier");
  CHECK_CODE(merino_allreduce_f64(values, 1, MERINO_BOR), MERINO_EINVAL, "f64 or");
  CHECK_CODE(merino_allreduce_i64(NULL, 1, MERINO_SUM), MERINO_EINVAL, "reduce: no values");
  int64_t one = 1;
  CHECK_CODE(merino_allreduce_i64(&one, 1, (merino_op_t)99), MERINO_EINVAL, "reduce: no such operation");
  CHECK_CODE(merino_allreduce_i64(&one, 1, (merino_op_t)-1), MERINO_EINVAL, "reduce: an operation below 0");
}

static void broadcasts(void) {
  static unsigned char bytes[100001];
  int wrong = 0;
  size_t sizes[] = {1, 3, 8, 4055, 4056, 4057, 4080, 8112, 100001};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    int root = (int)s % nodes;
    for (size_t i = 0; i < sizes[s]; i++) bytes[i] = check_node == root ? (unsigned char)(i * 7 + s) : 0;
    bytes[sizes[s] - 1 + (sizes[s] < sizeof bytes)] = 200;
    wrong += merino_broadcast(bytes, sizes[s], root) != 0;
    for (size_t i = 0; i + 1 < sizes[s]; i++) wrong += bytes[i] != (unsigned char)(i * 7 + s);
    if (sizes[s] < sizeof bytes) wrong += bytes[sizes[s]] != 200;
  }
  CHECK(wrong == 0, "broadcast: 1 byte to 100,001, from every root");
  CHECK_CODE(merino_broadcast(NULL, 0, 0), 0, "broadcast: nothing, a barrier");
  CHECK_CODE(merino_broadcast(NULL, 1, 0), MERINO_EINVAL, "broadcast: no buffer");
  CHECK_CODE(merino_broadcast(bytes, 1, nodes), MERINO_EINVAL, "broadcast: root is no node");
  CHECK_CODE(merino_broadcast(bytes, 1, -1), MERINO_EINVAL, "broadcast: root -1");
}

/// Every node must learn that the calls do not match, and the next ones must work.
static void mismatches(void) {
  static unsigned char bytes[20000];
  int first = check_node == 0;
  CHECK_CODE(merino_broadcast(bytes, first ? 8 : 16, 0), MERINO_EMISMATCH, "mismatch: bytes");
  CHECK_CODE(merino_broadcast(bytes, first ? 4056 : 9000, 0), MERINO_EMISMATCH,
             "mismatch: one piece, or several");
  CHECK_CODE(merino_broadcast(bytes, first ? 4080 : 9000, 0), MERINO_EMISMATCH, "mismatch: pieces");
  CHECK_CODE(merino_broadcast(bytes, 8, first ? 0 : 1), MERINO_EMISMATCH, "mismatch: root");
  int64_t x[2] = {1, 1};
  CHECK_CODE(merino_allreduce_i64(x, first ? 1 : 2, MERINO_SUM), MERINO_EMISMATCH, "mismatch: count");
  CHECK_CODE(merino_allreduce_i64(x, 1, first ? MERINO_SUM : MERINO_MAX), MERINO_EMISMATCH, "mismatch: op");
  CHECK_CODE(first ? merino_broadcast(x, 8, 0) : merino_allreduce_i64(x, 1, MERINO_SUM), MERINO_EMISMATCH,
             "mismatch: functions");
  CHECK(x[0] == 1 && x[1] == 1, "mismatch: the values stay");
  // Node 0 is in a barrier, the others in a broadcast that looks like the one before it.
  NEED(merino_broadcast(bytes, 8, 0));
  NEED(merino_broadcast(bytes, 8, 0));
  int code = first ? merino_barrier() : merino_broadcast(bytes, 8, 0);
  if (!first) CHECK_CODE(code, MERINO_EMISMATCH, "mismatch: a barrier and a broadcast");
  CHECK_CODE(merino_allreduce_i64(x, 1, MERINO_SUM), 0, "after mismatches");
  CHECK(x[0] == nodes, "after mismatches: the sum");
}

static int in_barrier_busy;
static void *second_barrier(void *unused) {
  (void)unused;
  in_barrier_busy = merino_barrier();
  return NULL;
}

int main(void) {
  nodes = join_job();
  reductions();
  broadcasts();
  if (nodes > 1) mismatches();
  NEED(merino_barrier());
  if (nodes > 1) {
    // Two threads of node 0 in the barrier at once, while node 1 keeps it closed.
    if (check_node == 1) sleep_ms(200);
    if (check_node == 0) {
      pthread_t thread = start(second_barrier, NULL);
      sleep_ms(50);
      int mine = merino_barrier();
      pthread_join(thread, NULL);
      CHECK(
          (mine == 0) != (in_barrier_busy == 0) && (mine == MERINO_EBUSY || in_barrier_busy == MERINO_EBUSY),
          "barrier: one call on each node");
    } else {
      NEED(merino_barrier());
    }
  }
  return leave_job();
}
