// A second translation unit with Tmk.h.
#include <Tmk.h>

#include "other.h"

static long value;

unsigned *other_proc_id(void) { return &Tmk_proc_id; }
unsigned *other_nprocs(void) { return &Tmk_nprocs; }

void other_count(unsigned lock, long *counter) {
  Tmk_lock_acquire(lock);
  *counter += 1;
  Tmk_lock_release(lock);
}

void other_barrier(void) { Tmk_barrier(1); }

void other_distribute(long number) {
  value = number;
  Tmk_distribute(&value, sizeof value);
}

long other_value(void) { return value; }
