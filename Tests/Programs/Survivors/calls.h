// What each function of merino.h does when a node has died: its list in docs/after-a-loss.md, and the call.
#ifndef SURVIVORS_CALLS_H
#define SURVIVORS_CALLS_H

#include "objects.h"

#include <signal.h>

// ---- Calls that need more than a line

static int frees_nothing(void) {
  errno = 0;
  merino_free(block);
  return is_told_by_errno(1);
}

// At once, whoever has the lock and however long it may take.
static int waits_for_no_lock(void) {
  uint64_t began = now_ns();
  int told = is_told(merino_lock_acquire_within(free_lock, 60000000000u)) &&
             is_told(merino_lock_acquire_within(dead_lock, 60000000000u)) &&
             is_told(merino_lock_acquire_within(dead_lock, 0));
  return told && now_ns() - began < 5000000000u;
}

// What this node has counted; what others would have to be asked is 0.
static int counts_its_own(void) {
  merino_stats_t stats = MERINO_STATS_INIT;
  return merino_stats(&stats) == MERINO_SUCCESS && stats.barriers > 0 && stats.heap_bytes_in_use == 0 &&
         stats.segment_bytes_in_use == 0;
}

static int unpins_what_is_pinned(void) {
  return merino_unpin(pinned, PAGE) == MERINO_SUCCESS && merino_unpin(pinned, PAGE) == MERINO_EFAULT &&
         merino_unpin(&other, 8) == MERINO_EFAULT;
}

static volatile int served, passed_on;
static char outside[2 * PAGE] __attribute__((aligned(PAGE)));
static void handler(int signal, siginfo_t *info, void *context) {
  if (merino_handle_fault(signal, info, context) == 1) {
    served++;
    return;
  }
  passed_on++;
  mprotect((void *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE);
}
// Pages of which this node is home or has a copy go on; so does what is no shared memory.
static int serves_its_own(void) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO}, before;
  sigfillset(&action.sa_mask);
  sigaction(SIGSEGV, &action, &before);
  volatile char *own = pinned, *neighbours = view + (3 - dying - check_node) * PAGE;
  *own = 'x';
  *neighbours = 'y';
  mprotect(outside, PAGE, PROT_NONE);
  *(volatile char *)outside = 1;
  sigaction(SIGSEGV, &before, NULL);
  return *own == 'x' && *neighbours == 'y' && served > 0 && passed_on == 1;
}

static int leaves(void) {
  return is_told(merino_finalize()) && merino_node() == MERINO_ENOTINIT &&
         merino_finalize() == MERINO_ENOTINIT;
}

// ---- The table

// function, its list, what holds. Those that fail give MERINO_EPEER (CODE), or NULL or -1 with EHOSTDOWN.
#define CODE(X, name, ...) X(name, fails, is_told(name(__VA_ARGS__)))
#define POINTER(X, name, ...) X(name, fails, (errno = 0, is_told_by_errno(name(__VA_ARGS__) == NULL)))
#define MINUS_1(X, name, ...) X(name, fails, (errno = 0, is_told_by_errno((intptr_t)name(__VA_ARGS__) == -1)))

#define CALLS(X) \
  CODE(X, merino_segment_create, "another", PAGE, NULL, &(merino_segment_t){0}) \
  CODE(X, merino_segment_open, "survivors", &(merino_segment_t){0}) \
  CODE(X, merino_segment_attach, segment, NULL, PROT_READ, (void **)&(char *){NULL}) \
  CODE(X, merino_segment_detach, view) \
  CODE(X, merino_segment_destroy, segment) \
  CODE(X, merino_segment_info, segment, &(merino_segment_info_t)MERINO_SEGMENT_INFO_INIT) \
  POINTER(X, merino_malloc, 16) \
  POINTER(X, merino_calloc, 2, 16) \
  POINTER(X, merino_realloc, block, 100000) \
  POINTER(X, merino_aligned_alloc, 64, 64) \
  X(merino_free, fails, frees_nothing()) \
  POINTER(X, merino_collective_malloc, 64, 0) \
  CODE(X, merino_collective_free, handles) \
  CODE(X, merino_lock_create, &(merino_lock_t){0}) \
  CODE(X, merino_lock_create_named, "another", &(merino_lock_t){0}) \
  CODE(X, merino_lock_destroy, own_lock) \
  CODE(X, merino_lock_acquire, free_lock) \
  CODE(X, merino_lock_try_acquire, free_lock) \
  X(merino_lock_acquire_within, fails, waits_for_no_lock()) \
  CODE(X, merino_lock_release, mine) \
  CODE(X, merino_rwlock_create, &(merino_rwlock_t){0}) \
  CODE(X, merino_rwlock_destroy, own_rwlock) \
  CODE(X, merino_rwlock_acquire_read, own_rwlock) \
  CODE(X, merino_rwlock_acquire_write, own_rwlock) \
  CODE(X, merino_rwlock_release, rwlock) \
  CODE(X, merino_event_create, &(merino_event_t){0}) \
  CODE(X, merino_event_destroy, own_event) \
  CODE(X, merino_event_set, event) \
  CODE(X, merino_event_clear, event) \
  CODE(X, merino_event_wait, event) \
  CODE(X, merino_cond_create, &(merino_cond_t){0}) \
  CODE(X, merino_cond_destroy, own_condition) \
  CODE(X, merino_cond_wait, condition, mine) \
  CODE(X, merino_cond_wait_within, condition, mine, 60000000000u) \
  CODE(X, merino_cond_signal, condition) \
  CODE(X, merino_cond_broadcast, condition) \
  CODE(X, merino_barrier) \
  CODE(X, merino_barrier_create, 2, &(merino_barrier_t){0}) \
  CODE(X, merino_barrier_destroy, own_barrier) \
  CODE(X, merino_barrier_wait, barrier) \
  CODE(X, merino_fence_acquire) \
  CODE(X, merino_fence_release) \
  ATOMICS(X, 32) \
  ATOMICS(X, 64) \
  CODE(X, merino_broadcast, &other, sizeof other, maker) \
  CODE(X, merino_allreduce_i64, (int64_t *)&other, 1, MERINO_SUM) \
  CODE(X, merino_allreduce_u64, &other, 1, MERINO_SUM) \
  CODE(X, merino_allreduce_f64, (double *)(void *)&other, 1, MERINO_SUM) \
  CODE(X, merino_prefetch, view, 3 * PAGE) \
  CODE(X, merino_pin, pinned, PAGE, PROT_READ) /* also where all of it is here */ \
  MINUS_1(X, merino_shmget, 4712, PAGE, IPC_CREAT | 0600) \
  MINUS_1(X, merino_shmat, shm, NULL, 0) \
  MINUS_1(X, merino_shmdt, shm_view) \
  MINUS_1(X, merino_shmctl, shm, IPC_RMID, NULL) \
  X(merino_init, answers, merino_init() == MERINO_EALREADY) \
  X(merino_init_with, answers, merino_init_with(NULL) == MERINO_EALREADY) \
  X(merino_node, answers, merino_node() == check_node) \
  X(merino_nodes, answers, merino_nodes() == 3) \
  X(merino_version, answers, strcmp(merino_version(), "") > 0) \
  X(merino_strerror, answers, strcmp(merino_strerror(MERINO_EPEER), "a node is gone") == 0) \
  X(merino_last_error, answers, \
    merino_fence_release() == MERINO_EPEER && names_the_dead(merino_last_error())) \
  X(merino_stats, answers, counts_its_own()) \
  X(merino_handle_fault, by_range, serves_its_own()) \
  X(merino_unpin, by_range, unpins_what_is_pinned()) \
  X(merino_abort, answers, 1) /* in a run of its own (`abort`) */ \
  X(merino_finalize, answers, leaves()) /* last: it leaves */

#define ATOMICS(X, size) \
  CODE(X, merino_atomic_load_u##size, ADDRESS##size, &word##size) \
  CODE(X, merino_atomic_load_u##size##_acquire, ADDRESS##size, &word##size) \
  CODE(X, merino_atomic_store_u##size, ADDRESS##size, 1) \
  CODE(X, merino_atomic_store_u##size##_release, ADDRESS##size, 1) \
  FORMS(X, merino_atomic_exchange_u##size, ADDRESS##size, 1, NULL) \
  FORMS(X, merino_atomic_compare_exchange_u##size, ADDRESS##size, 1, 2, NULL) \
  FORMS(X, merino_atomic_fetch_add_u##size, ADDRESS##size, 1, NULL)

#define FORMS(X, name, ...) \
  CODE(X, name, __VA_ARGS__) \
  CODE(X, name##_acquire, __VA_ARGS__) \
  CODE(X, name##_release, __VA_ARGS__) \
  CODE(X, name##_acq_rel, __VA_ARGS__)

#define DEFINE_CALL(name, list, holds) \
  static int call_##name(void) { return holds; }
CALLS(DEFINE_CALL)

enum list { fails, answers, by_range };
static const struct call {
  const char *name;
  enum list list;
  int (*call)(void); // 1: as it should be
} calls[] = {
#define LIST_CALL(name, list, holds) {#name, list, call_##name},
    CALLS(LIST_CALL)
};
enum { call_count = sizeof calls / sizeof *calls };

static void list_calls(void) {
  const char *names[] = {"fails", "answers", "by-range"};
  for (int i = 0; i < call_count; i++) say("%s %s", names[calls[i].list], calls[i].name);
}

static int make_calls(void) {
  for (int i = 0; i < call_count; i++) {
    CHECK(calls[i].call(), calls[i].name);
    // And again: it has changed nothing.
    if (calls[i].list == fails) CHECK(calls[i].call(), calls[i].name);
  }
  return check_failures != 0;
}

#endif
