// What a job has room for where nobody set anything: run without settings, and with limits that do not
// matter.
#include "check.h"

#include <sys/mman.h>

enum { page = 4096, lock_count = 500000, held_count = 2000, segment_count = 900 };

static struct shared {
  merino_lock_t locks[lock_count];
  long sums[64];
} *shared;

/// KiB that this process has of something, as /proc/self/status says.
static long kib(const char *what) {
  FILE *status = fopen("/proc/self/status", "r");
  char line[200];
  long found = -1;
  while (status != NULL && found < 0 && fgets(line, sizeof line, status) != NULL) {
    if (strncmp(line, what, strlen(what)) == 0) found = atol(line + strlen(what));
  }
  if (status != NULL) fclose(status);
  return found;
}

static void memory(void) {
  // What OCEAN of SPLASH-3 asks for, most of which it never uses.
  size_t much = (size_t)24 << 30;
  char *block = merino_collective_malloc(much, 0);
  CHECK(block != NULL, "24 GiB from the heap");
  if (block == NULL) merino_abort(3);
  block[(much >> 20) / 64 * (size_t)check_node << 20] = 1;
  NEED(merino_collective_free(block));
}

static void locks(int nodes) {
  // All by one node, as programs do whose main program prepares everything.
  int failed = 0;
  if (check_node == 0) {
    for (int i = 0; i < lock_count; i++) failed += merino_lock_create(&shared->locks[i]) != 0;
  }
  CHECK(failed == 0, "500,000 locks");
  NEED(merino_barrier());
  for (int i = check_node; i < lock_count; i += 997 * nodes) {
    failed += merino_lock_acquire(shared->locks[i]) != 0;
    shared->sums[check_node]++;
    failed += merino_lock_release(shared->locks[i]) != 0;
  }
  CHECK(failed == 0, "they are taken and released");
  // By one thread at a time.
  int first = check_node * held_count;
  for (int i = 0; i < held_count; i++) failed += merino_lock_acquire(shared->locks[first + i]) != 0;
  CHECK(failed == 0, "2,000 locks held at once");
  CHECK_CODE(merino_finalize(), MERINO_EBUSY, "who holds locks does not leave");
  for (int i = 0; i < held_count; i++) failed += merino_lock_release(shared->locks[first + i]) != 0;
  CHECK(failed == 0, "and given back");
  NEED(merino_barrier());
  if (check_node == 0) {
    for (int i = 0; i < lock_count; i++) failed += merino_lock_destroy(shared->locks[i]) != 0;
  }
  CHECK(failed == 0, "and destroyed");
  // Who destroys a lock looks for its name in the table of segments, which is short until then.
  NEED(merino_barrier());
}

static void segments(int nodes) {
  int failed = 0, wrong = 0;
  static long *views[segment_count];
  static merino_segment_t all[segment_count];
  char name[32];
  for (int i = check_node; i < segment_count; i += nodes) {
    snprintf(name, sizeof name, "default-%d", i);
    failed += merino_segment_create(name, page, NULL, &all[i]) != 0;
  }
  NEED(merino_barrier());
  for (int i = 0; i < segment_count; i++) {
    snprintf(name, sizeof name, "default-%d", i);
    void *view = NULL;
    failed += i % nodes != check_node && merino_segment_open(name, &all[i]) != 0;
    failed += merino_segment_attach(all[i], NULL, PROT_READ | PROT_WRITE, &view) != 0;
    if (view == NULL) break;
    views[i] = view;
    views[i][check_node] = i + 1;
  }
  CHECK(failed == 0, "900 segments, attached by all nodes at once");
  if (failed != 0) merino_abort(3);
  NEED(merino_barrier());
  for (int i = 0; i < segment_count; i++) wrong += views[i][(check_node + 1) % nodes] != i + 1;
  CHECK(wrong == 0, "each has what the others wrote");
  NEED(merino_barrier());
  for (int i = 0; i < segment_count; i++) {
    failed += merino_segment_detach(views[i]) != 0;
    failed += i % nodes == check_node && merino_segment_destroy(all[i]) != 0;
  }
  CHECK(failed == 0, "detached and destroyed");
}

int main(void) {
  long before = kib("VmRSS:");
  int nodes = join_job();
  long taken = kib("VmRSS:") - before;
  // 5 MiB in a release build, most of them pages of libraries' files.
  CHECK(before > 0 && taken < 16 << 10, "joining takes little memory");
  CHECK(kib("RssShmem:") < 512, "and nearly nothing of control memory");
  shared = merino_collective_malloc(sizeof *shared, 0);
  CHECK(shared != NULL, "room for the handles");
  if (shared == NULL) merino_abort(3);
  memory();
  locks(nodes);
  segments(nodes);
  return leave_job();
}
