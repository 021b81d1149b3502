// Signal handlers that touch shared memory at any moment of a lock's cycle: nothing of it is lost, and
// nothing stands still. A cycle that moves nothing blocks no signal, so handlers come in the middle of it,
// and fault.
#include <signal.h>
#include <sys/time.h>

#include "check.h"

enum { pages = 64, page = 4096, storms = 1500 };

static volatile unsigned char *touched;
static volatile sig_atomic_t alarms;

static void touch_page(int signal) {
  (void)signal;
  // A byte of this node's own in a page of all nodes': read and written, so that it faults after each notice.
  volatile unsigned char *byte = touched + (size_t)(alarms % pages) * page + (size_t)check_node;
  *byte = (unsigned char)(*byte + 1);
  alarms = alarms + 1;
}

static void storm(int on) {
  struct itimerval every = {{0, on ? 300 : 0}, {0, on ? 300 : 0}};
  CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0, on ? "the storm begins" : "the storm ends");
}

int main(void) {
  join_job();
  merino_lock_t lock = 0, mine = 0;
  NEED(merino_lock_create_named("storm", &lock));
  NEED(merino_lock_create(&mine));
  unsigned char *memory = merino_collective_malloc((pages + 1) * page, page);
  CHECK(memory != NULL, "memory");
  touched = memory;
  volatile unsigned *counter = (volatile unsigned *)(memory + pages * page);
  NEED(merino_barrier());
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = touch_page;
  action.sa_flags = SA_RESTART;
  CHECK(sigaction(SIGALRM, &action, NULL) == 0, "a handler");
  storm(1);
  // A lock of this node's alone, and now and then the one that all nodes want.
  uint64_t counted = 0;
  for (int i = 0; alarms < storms; i++) {
    NEED(merino_lock_acquire(mine));
    NEED(merino_lock_release(mine));
    if (i % 2000 == 0) {
      NEED(merino_lock_acquire(lock));
      *counter = *counter + 1;
      NEED(merino_lock_release(lock));
      counted++;
    }
  }
  storm(0);
  NEED(merino_barrier());
  NEED(merino_allreduce_u64(&counted, 1, MERINO_SUM));
  CHECK(*counter == counted, "every increment under the lock counts");
  int wrong = 0;
  for (int i = 0; i < pages; i++) {
    unsigned char wanted = (unsigned char)(alarms / pages + (alarms % pages > i));
    wrong += memory[(size_t)i * page + (size_t)check_node] != wanted;
  }
  CHECK(wrong == 0, "every byte that a handler wrote is there");
  NEED(merino_barrier());
  return leave_job();
}
