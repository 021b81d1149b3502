// Each function of merino.h, for the injection of failures: what is there before it is called, the call, and
// what the objects must still be good for afterwards.
#ifndef INJECTION_CALLS_H
#define INJECTION_CALLS_H

#include "afterwards.h"
#include "waits.h"

static int64_t numbers[3] = {1, 2, 3};
static uint64_t unsigneds[3] = {1, 2, 3}, old_value;
static uint32_t old_value_32;
static double doubles[3] = {1, 2, 3};
static merino_stats_t stats = MERINO_STATS_INIT;
// Answers in any case; what it could not ask others for is 0, and the next call says why.
static int told_stats(void) {
  int result = merino_stats(&stats);
  return result != MERINO_SUCCESS ? result : merino_fence_release();
}
static merino_segment_info_t info = MERINO_SEGMENT_INFO_INIT;
static struct shmid_ds shm_status;

#define WORD ((uint64_t *)on.word)
#define WORD32 ((uint32_t *)on.word)

// A result that is no code: of a pointer, or of System V.
static int of_pointer(const void *pointer) {
  return pointer != NULL ? 0 : errno == EINVAL ? MERINO_EINVAL : MERINO_ENOMEM;
}
static int of_errno(int result) {
  if (result >= 0) return 0;
  switch (errno) {
    case ENOSPC: return MERINO_ENOSPC;
    case ENOMEM: return MERINO_ENOMEM;
    case EIO: return MERINO_EFABRIC;
    default: return MERINO_EINVAL;
  }
}
static int expired(int result) { return result == MERINO_ETIMEDOUT ? 0 : result; }

static int free_block(void) {
  errno = 0;
  merino_free(on.block);
  return errno == 0 ? 0 : errno == EINVAL ? MERINO_EINVAL : MERINO_ENOMEM;
}

static int attach(void) {
  void *address;
  int result = merino_segment_attach(on.segment, NULL, PROT_READ | PROT_WRITE, &address);
  on.view = address;
  return result;
}

static int attach_shm(void) {
  on.shm_view = merino_shmat(on.shm, NULL, 0);
  return of_errno(on.shm_view == (void *)-1 ? -1 : 0);
}

// function (without merino_), what is there before, the call, what must hold afterwards
#define CALLS(X) \
  X(node, no_objects, merino_node() < 0 ? merino_node() : 0, nothing) \
  X(nodes, no_objects, merino_nodes() < 0 ? merino_nodes() : 0, nothing) \
  X(segment_create, no_objects, merino_segment_create(segment_name(), 100000, NULL, &on.segment), \
    created_segment) \
  X(segment_open, segment, merino_segment_open(segment_name(), &on.segment), segment_after) \
  X(segment_attach, segment, attach(), attached_view) \
  X(segment_detach, view, merino_segment_detach(on.view), detached_view) \
  X(segment_destroy, segment, merino_segment_destroy(on.segment), destroyed_segment) \
  X(segment_info, segment, merino_segment_info(on.segment, &info), segment_after) \
  X(malloc, no_objects, of_pointer(on.made_block = merino_malloc(200000)), made_block) \
  X(calloc, no_objects, of_pointer(on.made_block = merino_calloc(10, 2000)), made_block) \
  X(realloc, block, of_pointer(on.made_block = merino_realloc(on.block, 90000)), resized_block) \
  X(aligned_alloc, no_objects, of_pointer(on.made_block = merino_aligned_alloc(65536, 100)), made_block) \
  X(free, block, free_block(), freed_block) \
  X(collective_malloc, no_objects, of_pointer(on.made_block = merino_collective_malloc(20000, 0)), \
    made_block) \
  X(collective_free, block, merino_collective_free(on.block), freed_block) \
  X(lock_create, no_objects, merino_lock_create(&on.made), made_lock) \
  X(lock_create_named, no_objects, merino_lock_create_named(segment_name(), &on.made), made_lock) \
  X(lock_destroy, locks, merino_lock_destroy(on.lock), destroyed_lock) \
  X(lock_acquire, locks, merino_lock_acquire(on.lock), not_held) \
  X(lock_try_acquire, locks, merino_lock_try_acquire(on.lock), not_held) \
  X(lock_acquire_within, locks, merino_lock_acquire_within(on.lock, 1000000), not_held) \
  X(lock_release, lock_held, merino_lock_release(on.lock), still_held) \
  X(rwlock_create, no_objects, merino_rwlock_create(&on.made), nothing) \
  X(rwlock_destroy, rwlock, merino_rwlock_destroy(on.rwlock), destroyed_rwlock) \
  X(rwlock_acquire_read, rwlock, merino_rwlock_acquire_read(on.rwlock), rwlock_after) \
  X(rwlock_acquire_write, rwlock, merino_rwlock_acquire_write(on.rwlock), rwlock_after) \
  X(rwlock_release, rwlock_written, merino_rwlock_release(on.rwlock), rwlock_after) \
  X(event_create, no_objects, merino_event_create(&on.made), nothing) \
  X(event_destroy, event, merino_event_destroy(on.event), destroyed_event) \
  X(event_set, event, merino_event_set(on.event), event_after) \
  X(event_clear, event_set, merino_event_clear(on.event), event_after) \
  X(event_wait, event_set, merino_event_wait(on.event), event_after) \
  X(cond_create, no_objects, merino_cond_create(&on.made), nothing) \
  X(cond_destroy, condition, merino_cond_destroy(on.condition), destroyed_condition) \
  X(cond_wait, condition, wait_and_be_woken(), condition_after) \
  X(cond_wait_within, condition, expired(merino_cond_wait_within(on.condition, on.lock, 1000)), \
    condition_after) \
  X(cond_signal, condition, merino_cond_signal(on.condition), condition_after) \
  X(cond_broadcast, condition, merino_cond_broadcast(on.condition), condition_after) \
  X(barrier, no_objects, merino_barrier(), nothing) \
  X(barrier_create, no_objects, merino_barrier_create(1, &on.made), nothing) \
  X(barrier_destroy, barrier_of_one, merino_barrier_destroy(on.barrier), destroyed_barrier) \
  X(barrier_wait, barrier_of_one, merino_barrier_wait(on.barrier), barrier_after) \
  X(fence_acquire, no_objects, merino_fence_acquire(), nothing) \
  X(fence_release, no_objects, merino_fence_release(), nothing) \
  ATOMICS(X, u32, WORD32, old_value_32) \
  ATOMICS(X, u64, WORD, old_value) \
  X(broadcast, no_objects, merino_broadcast(numbers, sizeof numbers, 0), nothing) \
  X(allreduce_i64, no_objects, merino_allreduce_i64(numbers, 3, MERINO_SUM), nothing) \
  X(allreduce_u64, no_objects, merino_allreduce_u64(unsigneds, 3, MERINO_SUM), nothing) \
  X(allreduce_f64, no_objects, merino_allreduce_f64(doubles, 3, MERINO_SUM), nothing) \
  X(prefetch, view, merino_prefetch(on.view, 100000), view_after) \
  X(pin, view, merino_pin(on.view, 100000, PROT_READ | PROT_WRITE), now_pinned) \
  X(unpin, pinned, merino_unpin(on.view, 100000), unpinned) \
  X(stats, no_objects, told_stats(), nothing) \
  X(shmget, no_objects, of_errno(on.shm = merino_shmget(IPC_PRIVATE, 50000, 0600)), got_shm) \
  X(shmat, shm, attach_shm(), attached_shm) \
  X(shmdt, shm_view, of_errno(merino_shmdt(on.shm_view)), detached_shm) \
  X(shmctl, shm, of_errno(merino_shmctl(on.shm, IPC_STAT, &shm_status)), shm_after)

#define ATOMICS(X, type, at, old) \
  X(atomic_load_##type, word, merino_atomic_load_##type(at, &old), word_after) \
  X(atomic_load_##type##_acquire, word, merino_atomic_load_##type##_acquire(at, &old), word_after) \
  X(atomic_store_##type, word, merino_atomic_store_##type(at, 5), word_after) \
  X(atomic_store_##type##_release, word, merino_atomic_store_##type##_release(at, 5), word_after) \
  FORMS(X, atomic_exchange_##type, (at, 5, &old)) \
  FORMS(X, atomic_compare_exchange_##type, (at, 0, 5, &old)) \
  FORMS(X, atomic_fetch_add_##type, (at, 5, &old))

#define FORMS(X, name, arguments) \
  X(name, word, merino_##name arguments, word_after) \
  X(name##_acquire, word, merino_##name##_acquire arguments, word_after) \
  X(name##_release, word, merino_##name##_release arguments, word_after) \
  X(name##_acq_rel, word, merino_##name##_acq_rel arguments, word_after)

#define DEFINE(function, before, call, after) \
  static int call_##function(void) { return call; }
CALLS(DEFINE)

static const struct entry {
  const char *name;
  void (*before)(void);
  int (*call)(void);
  void (*after)(int);
} entries[] = {
#define ENTRY(function, before, call, after) {"merino_" #function, before, call_##function, after},
    CALLS(ENTRY)
    // What else a view may be: of a segment that was removed.
    {"merino_segment_detach", doomed_view, call_segment_detach, detached_doomed_view},
    // Calls that have to wait.
    {"merino_event_wait", event, wait_for_event, event_after},
    {"merino_barrier_wait", barrier_of_two, wait_in_barrier, barrier_of_two_after},
    {"merino_rwlock_acquire_read", rwlock, wait_to_read, rwlock_after},
    {"merino_rwlock_acquire_write", rwlock, wait_to_write, rwlock_after},
};
enum { entry_count = sizeof entries / sizeof *entries };

// In this list and not in the table, with the reason.
static const char *const left_out[] = {
    "merino_init_with",    // merino_init does the same
    "merino_abort",        // ends the process
    "merino_version",      // a constant
    "merino_strerror",     // a constant
    "merino_last_error",   // looks at this thread's sentence
    "merino_handle_fault", // in page faults nothing fails: they end the process where they cannot be served
};

#endif
