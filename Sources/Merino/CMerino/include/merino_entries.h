// The functions of merino.h behind which Swift stands: type, name without merino_, parameters, arguments.
// Swift implements `mrn_name`, Entries.c makes `merino_name` of it. Not installed.
//
// Not in the list: merino_version, merino_strerror and merino_last_error, which do nothing that could be
// cancelled; merino_handle_fault, which is for signal handlers; merino_abort and merino_free, which have no
// result; and the waits that are cancellation points (Waits.c).
#ifndef MERINO_ENTRIES_H
#define MERINO_ENTRIES_H

#define MERINO_ENTRIES(ENTRY) \
  /* Joining and leaving */ \
  ENTRY(int, init, (void), ()) \
  ENTRY(int, init_with, (const merino_options_t *options), (options)) \
  ENTRY(int, finalize, (void), ()) \
  ENTRY(int, node, (void), ()) \
  ENTRY(int, nodes, (void), ()) \
  /* Segments */ \
  ENTRY(int, segment_create, \
        (const char *name, size_t bytes, const merino_segment_options_t *options, \
         merino_segment_t *segment), \
        (name, bytes, options, segment)) \
  ENTRY(int, segment_open, (const char *name, merino_segment_t *segment), (name, segment)) \
  ENTRY(int, segment_attach, (merino_segment_t segment, void *where, int protection, void **view), \
        (segment, where, protection, view)) \
  ENTRY(int, segment_detach, (void *view), (view)) \
  ENTRY(int, segment_destroy, (merino_segment_t segment), (segment)) \
  ENTRY(int, segment_info, (merino_segment_t segment, merino_segment_info_t *info), (segment, info)) \
  /* The heap */ \
  ENTRY(void *, malloc, (size_t bytes), (bytes)) \
  ENTRY(void *, calloc, (size_t count, size_t bytes), (count, bytes)) \
  ENTRY(void *, realloc, (void *block, size_t bytes), (block, bytes)) \
  ENTRY(void *, aligned_alloc, (size_t alignment, size_t bytes), (alignment, bytes)) \
  ENTRY(void *, collective_malloc, (size_t bytes, size_t alignment), (bytes, alignment)) \
  ENTRY(int, collective_free, (void *block), (block)) \
  /* Locks */ \
  ENTRY(int, lock_create, (merino_lock_t *lock), (lock)) \
  ENTRY(int, lock_create_named, (const char *name, merino_lock_t *lock), (name, lock)) \
  ENTRY(int, lock_destroy, (merino_lock_t lock), (lock)) \
  ENTRY(int, lock_acquire, (merino_lock_t lock), (lock)) \
  ENTRY(int, lock_try_acquire, (merino_lock_t lock), (lock)) \
  ENTRY(int, lock_acquire_within, (merino_lock_t lock, uint64_t timeout_ns), (lock, timeout_ns)) \
  ENTRY(int, lock_release, (merino_lock_t lock), (lock)) \
  ENTRY(int, rwlock_create, (merino_rwlock_t *lock), (lock)) \
  ENTRY(int, rwlock_destroy, (merino_rwlock_t lock), (lock)) \
  ENTRY(int, rwlock_acquire_read, (merino_rwlock_t lock), (lock)) \
  ENTRY(int, rwlock_acquire_write, (merino_rwlock_t lock), (lock)) \
  ENTRY(int, rwlock_release, (merino_rwlock_t lock), (lock)) \
  /* Events, condition variables, barriers */ \
  ENTRY(int, event_create, (merino_event_t *event), (event)) \
  ENTRY(int, event_destroy, (merino_event_t event), (event)) \
  ENTRY(int, event_set, (merino_event_t event), (event)) \
  ENTRY(int, event_clear, (merino_event_t event), (event)) \
  ENTRY(int, cond_create, (merino_cond_t *condition), (condition)) \
  ENTRY(int, cond_destroy, (merino_cond_t condition), (condition)) \
  ENTRY(int, cond_signal, (merino_cond_t condition), (condition)) \
  ENTRY(int, cond_broadcast, (merino_cond_t condition), (condition)) \
  ENTRY(int, barrier, (void), ()) \
  ENTRY(int, barrier_create, (uint32_t participants, merino_barrier_t *barrier), (participants, barrier)) \
  ENTRY(int, barrier_destroy, (merino_barrier_t barrier), (barrier)) \
  ENTRY(int, barrier_wait, (merino_barrier_t barrier), (barrier)) \
  /* Fences */ \
  ENTRY(int, fence_acquire, (void), ()) \
  ENTRY(int, fence_release, (void), ()) \
  /* Atomics */ \
  MERINO_ATOMIC_ENTRIES(ENTRY, u32, uint32_t) \
  MERINO_ATOMIC_ENTRIES(ENTRY, u64, uint64_t) \
  /* Broadcast and reduction */ \
  ENTRY(int, broadcast, (void *buffer, size_t bytes, int root), (buffer, bytes, root)) \
  ENTRY(int, allreduce_i64, (int64_t *values, size_t count, merino_op_t op), (values, count, op)) \
  ENTRY(int, allreduce_u64, (uint64_t *values, size_t count, merino_op_t op), (values, count, op)) \
  ENTRY(int, allreduce_f64, (double *values, size_t count, merino_op_t op), (values, count, op)) \
  /* Hints, pinning, statistics */ \
  ENTRY(int, prefetch, (const void *address, size_t bytes), (address, bytes)) \
  ENTRY(int, pin, (void *address, size_t bytes, int protection), (address, bytes, protection)) \
  ENTRY(int, unpin, (void *address, size_t bytes), (address, bytes)) \
  ENTRY(int, stats, (merino_stats_t *stats), (stats)) \
  /* System V */ \
  ENTRY(int, shmget, (int32_t key, size_t bytes, int flags), (key, bytes, flags)) \
  ENTRY(void *, shmat, (int identifier, const void *address, int flags), (identifier, address, flags)) \
  ENTRY(int, shmdt, (const void *address), (address)) \
  ENTRY(int, shmctl, (int identifier, int command, void *buffer), (identifier, command, buffer))

#define MERINO_ATOMIC_ENTRIES(ENTRY, suffix, word) \
  ENTRY(int, atomic_load_##suffix, (const word *address, word *value), (address, value)) \
  ENTRY(int, atomic_load_##suffix##_acquire, (const word *address, word *value), (address, value)) \
  ENTRY(int, atomic_store_##suffix, (word *address, word value), (address, value)) \
  ENTRY(int, atomic_store_##suffix##_release, (word *address, word value), (address, value)) \
  MERINO_ATOMIC_ORDERS(ENTRY, atomic_exchange_##suffix, (word *address, word value, word *old), \
                       (address, value, old)) \
  MERINO_ATOMIC_ORDERS(ENTRY, atomic_compare_exchange_##suffix, \
                       (word *address, word expected, word desired, word *old), \
                       (address, expected, desired, old)) \
  MERINO_ATOMIC_ORDERS(ENTRY, atomic_fetch_add_##suffix, (word *address, word addend, word *old), \
                       (address, addend, old))

// What reads and writes has a form for each order.
#define MERINO_ATOMIC_ORDERS(ENTRY, name, parameters, arguments) \
  ENTRY(int, name, parameters, arguments) \
  ENTRY(int, name##_acquire, parameters, arguments) \
  ENTRY(int, name##_release, parameters, arguments) \
  ENTRY(int, name##_acq_rel, parameters, arguments)

#endif
