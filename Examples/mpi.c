/*
 * mpi: MPI for messages and Merino for shared memory, in the same processes.
 *
 *   mpirun -n 4 out/examples/mpi [mpi-first | merino-first | merino-inside | merino-outside]
 *
 * Build it by the MPI library's compiler, for the launcher of that library:
 *
 *   mpicc -Iout/include Examples/mpi.c -o out/examples/mpi -Lout/lib -lmerino -Wl,-rpath,$PWD/out/lib
 *
 * Every node fills a block of shared memory and sends its address, as a message, to the next node, which reads
 * the block by this address: shared memory has the same addresses on all nodes. Messages order nothing in shared
 * memory: the lock does. Buffers of MPI calls are private memory: MPI hands them to the system, which does not
 * fetch pages (merino_pin makes a part of shared memory fit for that).
 *
 * The argument says which of the two begins, and which ends. Every process must take the same order.
 */
#include <stdio.h>
#include <string.h>

#include <merino.h>
#include <mpi.h>

enum { WORDS = 4096, ROUNDS = 8 };

static void must(int result, const char *what) {
  if (result == MERINO_SUCCESS) return;
  fprintf(stderr, "%s: %s\n", what, merino_last_error());
  merino_abort(2);
}

static long value(int owner, int round, int index) { return 1000003L * owner + 1009L * round + index; }

/* Words that are not as the node before has written them. */
static long exchange(merino_lock_t lock, long *mine, int round) {
  int node = merino_node(), nodes = merino_nodes();
  must(merino_lock_acquire(lock), "lock");
  for (int i = 0; i < WORDS; i++) mine[i] = value(node, round, i);
  must(merino_lock_release(lock), "unlock");

  long *theirs;
  int next = (node + 1) % nodes, before = (node + nodes - 1) % nodes;
  MPI_Sendrecv(&mine, sizeof mine, MPI_BYTE, next, round, &theirs, sizeof theirs, MPI_BYTE, before, round,
               MPI_COMM_WORLD, MPI_STATUS_IGNORE);

  long wrong = 0;
  must(merino_lock_acquire(lock), "lock");
  for (int i = 0; i < WORDS; i++) wrong += theirs[i] != value(before, round, i);
  must(merino_lock_release(lock), "unlock");
  /* Nobody writes the next round before all have read this one. */
  MPI_Barrier(MPI_COMM_WORLD);
  return wrong;
}

/* Everybody tells everybody which node it is: MPI's ranks and Merino's numbers are the same. (It also sets up all of MPI's
 * connections. MPICH over UCX can wait for ever in MPI_Finalize for one that was begun by the last messages.) */
static int ranks_are_nodes(int size) {
  int here = merino_node(), mine[1024], theirs[1024], wrong = 0;
  for (int i = 0; i < size; i++) mine[i] = here;
  MPI_Alltoall(mine, 1, MPI_INT, theirs, 1, MPI_INT, MPI_COMM_WORLD);
  for (int i = 0; i < size; i++) wrong += theirs[i] != i;
  return wrong == 0;
}

static int work(void) {
  int rank, size;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (rank != merino_node() || size != merino_nodes() || !ranks_are_nodes(size)) {
    fprintf(stderr, "MPI's process %d of %d is Merino's node %d of %d\n", rank, size, merino_node(), merino_nodes());
    merino_abort(2);
  }
  merino_lock_t *lock = merino_collective_malloc(sizeof *lock, 0);
  long *mine = merino_malloc(WORDS * sizeof *mine);
  if (lock == NULL || mine == NULL) must(MERINO_ENOMEM, "allocate shared memory");
  if (rank == 0) must(merino_lock_create(lock), "make the lock");
  must(merino_barrier(), "barrier");

  long wrong = 0, all = 0;
  for (int round = 0; round < ROUNDS; round++) wrong += exchange(*lock, mine, round);
  MPI_Allreduce(&wrong, &all, 1, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
  if (rank == 0) printf("%s mpi: %d nodes, %d rounds, %ld wrong words\n", all == 0 ? "PASS" : "FAIL", size, ROUNDS, all);
  fflush(stdout);
  must(merino_barrier(), "barrier");
  return all == 0 ? 0 : 1;
}

static void join(void) {
  if (merino_init() == MERINO_SUCCESS) return;
  fprintf(stderr, "could not join: %s\n", merino_last_error());
  merino_abort(2);
}

int main(int argc, char **argv) {
  const char *order = argc > 1 ? argv[1] : "mpi-first";
  int merino_begins = strcmp(order, "merino-first") == 0 || strcmp(order, "merino-outside") == 0;
  int merino_ends = strcmp(order, "merino-outside") == 0 || strcmp(order, "mpi-first") == 0;
  if (merino_begins) join();
  MPI_Init(&argc, &argv);
  if (!merino_begins) join();
  int result = work();
  if (!merino_ends) must(merino_finalize(), "finalize");
  MPI_Finalize();
  if (merino_ends) must(merino_finalize(), "finalize");
  return result;
}
