// MPI and Merino in one process, one after the other: "merino-mpi", "mpi-merino", or "merino" alone in a
// program that is linked with MPI. Prints PASS and FAIL lines as the programs of Tests/Programs do.
#include "../Programs/check.h"

#include <mpi.h>

static void use_merino(void) {
  int code = merino_init();
  say("JOIN %d %s", code, merino_last_error());
  if (code != MERINO_SUCCESS) return;
  check_node = merino_node();
  int *word = merino_collective_malloc(sizeof *word, 0);
  if (check_node == 0) *word = 42;
  NEED(merino_barrier());
  CHECK(*word == 42, "shared memory");
  CHECK_CODE(merino_finalize(), MERINO_SUCCESS, "leaving");
}

static void use_mpi(void) {
  int rank, size, sum = 0;
  MPI_Init(NULL, NULL);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  CHECK(sum == size * (size - 1) / 2, "messages");
  MPI_Finalize();
}

int main(int count, char **arguments) {
  const char *order = count > 1 ? arguments[1] : "";
  if (strcmp(order, "mpi-merino") == 0) use_mpi();
  use_merino();
  if (strcmp(order, "merino-mpi") == 0) use_mpi();
  return check_failures == 0 ? 0 : 1;
}
