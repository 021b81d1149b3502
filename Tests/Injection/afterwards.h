// What must hold after a call whose failure is injected. `result`: of the call.
#ifndef INJECTION_AFTERWARDS_H
#define INJECTION_AFTERWARDS_H

#include "objects.h"

static void locks_after(int result) {
  (void)result;
  // Whoever holds it can give it back, whoever does not can take it.
  int code = merino_lock_acquire(on.lock);
  CHECK(code == 0 || code == MERINO_EDEADLK, "the lock can be taken, or is held");
  CHECK_CODE(merino_lock_release(on.lock), 0, "the lock can be given back");
  CHECK_CODE(merino_lock_acquire_within(on.lock, 1000000000), 0, "and taken");
  CHECK_CODE(merino_lock_release(on.lock), 0, "and given back");
  CHECK_CODE(merino_lock_destroy(on.lock), 0, "and removed");
  CHECK_CODE(merino_lock_destroy(on.other), 0, "so can the other");
}
static void not_held(int result) {
  if (result < 0)
    CHECK_CODE(merino_lock_release(on.lock), MERINO_EPERM, "a lock that could not be taken is not held");
  locks_after(result);
}
static void still_held(int result) {
  CHECK_CODE(merino_lock_acquire(on.lock), result < 0 ? MERINO_EDEADLK : 0,
             "a lock that could not be given back is held");
  locks_after(result);
}
static void destroyed_lock(int result) {
  if (result < 0) locks_after(result);
  else CHECK_CODE(merino_lock_destroy(on.other), 0, "so can the other");
}
static void made_lock(int result) {
  if (result < 0) return;
  CHECK_CODE(merino_lock_acquire(on.made), 0, "a lock that was made can be taken");
  CHECK_CODE(merino_lock_release(on.made), 0, "and given back");
  CHECK_CODE(merino_lock_destroy(on.made), 0, "and removed");
}
static void rwlock_after(int result) {
  (void)result;
  int code = merino_rwlock_acquire_write(on.rwlock);
  CHECK(code == 0 || code == MERINO_EDEADLK, "the reader-writer lock can be taken, or is held");
  CHECK_CODE(merino_rwlock_release(on.rwlock), 0, "the reader-writer lock can be given back");
  CHECK_CODE(merino_rwlock_acquire_read(on.rwlock), 0, "and taken");
  CHECK_CODE(merino_rwlock_release(on.rwlock), 0, "and given back");
  CHECK_CODE(merino_rwlock_destroy(on.rwlock), 0, "and removed");
}
static void destroyed_rwlock(int result) {
  if (result < 0) rwlock_after(result);
}
static void event_after(int result) {
  (void)result;
  CHECK_CODE(merino_event_set(on.event), 0, "the event can be set");
  CHECK_CODE(merino_event_wait(on.event), 0, "and waited for");
  CHECK_CODE(merino_event_destroy(on.event), 0, "and removed");
}
static void destroyed_event(int result) {
  if (result < 0) event_after(result);
}
static void condition_after(int result) {
  (void)result;
  CHECK_CODE(merino_lock_acquire(on.lock), MERINO_EDEADLK, "the condition's lock is held");
  CHECK_CODE(merino_cond_wait_within(on.condition, on.lock, 1000), MERINO_ETIMEDOUT,
             "the condition can be waited for");
  CHECK_CODE(merino_cond_signal(on.condition), 0, "and signalled");
  CHECK_CODE(merino_cond_destroy(on.condition), 0, "and removed: nobody is in its queue");
  locks_after(0);
}
static void destroyed_condition(int result) {
  if (result < 0) condition_after(result);
  else locks_after(0);
}
static void barrier_after(int result) {
  (void)result;
  CHECK_CODE(merino_barrier_wait(on.barrier), 0, "the barrier can be passed");
  CHECK_CODE(merino_barrier_destroy(on.barrier), 0, "and removed");
}
static void destroyed_barrier(int result) {
  if (result < 0) barrier_after(result);
}
static void segment_after(int result) {
  (void)result;
  void *address;
  CHECK_CODE(merino_segment_attach(on.segment, NULL, PROT_READ | PROT_WRITE, &address), 0,
             "the segment can be attached");
  memset(address, 3, 100000);
  CHECK_CODE(merino_segment_detach(address), 0, "and detached");
  CHECK_CODE(merino_segment_destroy(on.segment), 0, "and removed");
  CHECK_CODE(merino_segment_open(segment_name(), &on.segment), MERINO_ENOENT, "its name is free");
}
static void created_segment(int result) {
  if (result < 0)
    CHECK_CODE(merino_segment_open(segment_name(), &on.segment), MERINO_ENOENT,
               "what could not be made is not there");
  else segment_after(result);
}
static void destroyed_segment(int result) {
  if (result < 0) segment_after(result);
}
static void view_after(int result) {
  (void)result;
  int sum = 0;
  for (int i = 0; i < 100000; i += 4096) sum += on.view[i]++;
  CHECK(sum == 25, "the view is there, with what was written");
  CHECK_CODE(merino_segment_detach(on.view), 0, "the view can be detached");
  segment_after(0);
}
static void attached_view(int result) {
  if (result == 0) CHECK_CODE(merino_segment_detach(on.view), 0, "a view that was attached can be detached");
  segment_after(0);
}
static void detached_view(int result) {
  if (result < 0) view_after(result);
  else segment_after(0);
}
static void detached_doomed_view(int result) {
  if (result == 0) return;
  int sum = 0;
  for (int i = 0; i < 100000; i += 4096) sum += on.view[i];
  CHECK(sum == 25, "the view of a removed segment is there");
  CHECK_CODE(merino_segment_detach(on.view), 0, "and can be detached");
}
static void block_after(int result) {
  (void)result;
  int sum = 0;
  for (int i = 0; i < 5000; i++) sum += on.block[i];
  CHECK(sum == 35000, "the block has what was written");
  errno = 0;
  merino_free(on.block);
  CHECK(errno == 0, "the block can be freed");
}
static void made_block(int result) {
  if (result < 0) {
    on.made_block = merino_malloc(300000);
    CHECK(on.made_block != NULL, "the heap gives blocks");
  }
  if (on.made_block == NULL) return;
  on.made_block[0] = 1;
  errno = 0;
  merino_free(on.made_block);
  CHECK(errno == 0, "the block can be freed");
}
static void resized_block(int result) {
  if (result == 0) on.block = on.made_block;
  block_after(result);
}
static void freed_block(int result) {
  if (result < 0) block_after(result);
}
static void word_after(int result) {
  (void)result;
  uint64_t value, old;
  CHECK_CODE(merino_atomic_fetch_add_u64((uint64_t *)on.word, 1, &old), 0, "the word can be added to");
  CHECK_CODE(merino_atomic_load_u64((uint64_t *)on.word, &value), 0, "and read");
  CHECK(value == old + 1, "and is what it should be");
  merino_free(on.word);
}
static void unpinned(int result) {
  CHECK_CODE(merino_segment_detach(on.view), result < 0 ? MERINO_EBUSY : 0,
             "a view is busy while it is pinned");
  if (result == 0) {
    segment_after(0);
    return;
  }
  CHECK_CODE(merino_unpin(on.view, 100000), 0, "the range can be unpinned");
  view_after(0);
}
static void now_pinned(int result) {
  if (result == 0) CHECK_CODE(merino_unpin(on.view, 100000), 0, "the range can be unpinned");
  view_after(0);
}
static void shm_after(int result) {
  (void)result;
  char *at = merino_shmat(on.shm, NULL, 0);
  CHECK(at != (void *)-1, "the shared memory can be attached");
  if (at == (void *)-1) return;
  at[0] = 1;
  CHECK(merino_shmdt(at) == 0, "and detached");
  struct shmid_ds status;
  CHECK(merino_shmctl(on.shm, IPC_STAT, &status) == 0 && status.shm_nattch == 0, "nothing is attached");
  CHECK(merino_shmctl(on.shm, IPC_RMID, NULL) == 0, "and it can be removed");
}
static void got_shm(int result) {
  if (result == 0) shm_after(0);
}
static void attached_shm(int result) {
  if (result == 0) CHECK(merino_shmdt(on.shm_view) == 0, "what was attached can be detached");
  shm_after(0);
}
static void detached_shm(int result) {
  if (result < 0) {
    on.shm_view[1] = 2;
    CHECK(merino_shmdt(on.shm_view) == 0, "what could not be detached is there, and can be");
  }
  shm_after(0);
}
static void nothing(int result) { (void)result; }

#endif
