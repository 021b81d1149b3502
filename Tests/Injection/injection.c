// Makes each use of something by each function of merino.h fail in turn (a lock slot; memory, addresses, places in tables; an
// operation of the fabric) until the call needs no further one, and uses the objects afterwards. Linked with a debug build
// of the library, which alone has the injection (`Injection.c` of CPlatform). A job of one.
//
//   injection --list             the functions that are in the table, for comparison with the header
//   injection locals             slots and allocations, in this process
//   injection fabric             the fabric, in a child for each use
#include <signal.h>
#include <sys/wait.h>

#include "calls.h"

enum { SLOT = 1, ALLOCATION = 2, FABRIC = 3 };

void cplatform_injection_arm(int kind, long nth);
int cplatform_injection_disarm(void);
int merino_injection_slots_in_use(void);

static int64_t numbers[3] = {1, 2, 3};
static uint64_t unsigneds[3] = {1, 2, 3}, old_value;
static uint32_t old_value_32;
static double doubles[3] = {1, 2, 3};
static merino_stats_t stats = MERINO_STATS_INIT;
static merino_segment_info_t info = MERINO_SEGMENT_INFO_INIT;
static struct shmid_ds shm_status;

#define WORD ((uint64_t *)on.word)
#define WORD32 ((uint32_t *)on.word)

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
  X(segment_create, no_objects, merino_segment_create(segment_name(), 100000, NULL, &on.segment), created_segment) \
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
  X(collective_malloc, no_objects, of_pointer(on.made_block = merino_collective_malloc(20000, 0)), made_block) \
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
  X(cond_wait_within, condition, expired(merino_cond_wait_within(on.condition, on.lock, 1000)), condition_after) \
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
  X(stats, no_objects, merino_stats(&stats), nothing) \
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

// A wait that another thread ends: it has the condition's lock only while this one waits.
static void *wake(void *argument) {
  int *is_over = argument;
  while (!__atomic_load_n(is_over, __ATOMIC_ACQUIRE)) {
    if (merino_cond_broadcast(on.condition) != 0) break;
    sleep_ms(1);
  }
  return NULL;
}

static int wait_and_be_woken(void) {
  int is_over = 0;
  pthread_t waker = start(wake, &is_over);
  int result = merino_cond_wait(on.condition, on.lock);
  cplatform_injection_disarm();
  __atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
  pthread_join(waker, NULL);
  return result;
}

// Waits that last until another thread comes, after a moment. Nothing of its fails; where the job is over it is told so, too.
static int is_held;

static void *set_event(void *unused) {
  sleep_ms(3);
  (void)merino_event_set(on.event);
  return unused;
}
static void *come_to_barrier(void *unused) {
  sleep_ms(3);
  (void)merino_barrier_wait(on.barrier);
  return unused;
}
static void *hold_rwlock(void *unused) {
  (void)merino_rwlock_acquire_write(on.rwlock);
  __atomic_store_n(&is_held, 1, __ATOMIC_RELEASE);
  sleep_ms(3);
  (void)merino_rwlock_release(on.rwlock);
  return unused;
}

static int wait_for_event(void) {
  pthread_t other = start(set_event, NULL);
  int result = merino_event_wait(on.event);
  pthread_join(other, NULL);
  return result;
}
static int wait_in_barrier(void) {
  pthread_t other = start(come_to_barrier, NULL);
  int result = merino_barrier_wait(on.barrier);
  if (result == MERINO_ELIMIT) {
    // It has not come: the other one waits for it.
    cplatform_injection_disarm();
    CHECK_CODE(merino_barrier_wait(on.barrier), 0, "a thread that could not wait in a barrier comes again");
  }
  pthread_join(other, NULL);
  return result;
}
static int wait_for_rwlock(int (*acquire)(merino_rwlock_t)) {
  is_held = 0;
  pthread_t other = start(hold_rwlock, NULL);
  while (!__atomic_load_n(&is_held, __ATOMIC_ACQUIRE)) sched_yield();
  int result = acquire(on.rwlock);
  pthread_join(other, NULL);
  return result;
}
static int wait_to_read(void) { return wait_for_rwlock(merino_rwlock_acquire_read); }
static int wait_to_write(void) { return wait_for_rwlock(merino_rwlock_acquire_write); }
static void barrier_of_two(void) {
  counter++;
  NEED(merino_barrier_create(2, &on.barrier));
}
static void barrier_of_two_after(int result) {
  (void)result;
  CHECK_CODE(wait_in_barrier(), 0, "the barrier can be passed");
  CHECK_CODE(merino_barrier_destroy(on.barrier), 0, "and removed");
}

static int expired(int result) { return result == MERINO_ETIMEDOUT ? 0 : result; }

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
enum { entry_count = sizeof entries / sizeof *entries, most_uses = 200 };

// In this list and not in the table, with the reason.
static const char *const left_out[] = {
    "merino_init_with",    // merino_init does the same
    "merino_abort",        // ends the process
    "merino_version",      // a constant
    "merino_strerror",     // a constant
    "merino_last_error",   // looks at this thread's sentence
    "merino_handle_fault", // in page faults nothing fails: they end the process where they cannot be served
};

// ---- Slots and allocations

static int is_exhaustion(int kind, int code) {
  if (kind == SLOT) return code == MERINO_ELIMIT;
  return code == MERINO_ELIMIT || code == MERINO_ENOSPC || code == MERINO_ENOMEM;
}

static char what[128];

// Ends a process that hangs, with the place.
static void hangs(int signal) {
  (void)signal;
  say("FAIL %s: it hangs", what);
  _exit(1);
}
static void within(unsigned seconds) {
  signal(SIGALRM, hangs);
  alarm(seconds);
}

static void locals(const struct entry *entry, int kind) {
  int failures = check_failures;
  for (int nth = 1; nth <= most_uses; nth++) {
    snprintf(what, sizeof what, "%s, %s %d fails", entry->name, kind == SLOT ? "slot" : "allocation", nth);
    int slots = merino_injection_slots_in_use();
    within(10);
    entry->before();
    cplatform_injection_arm(kind, nth);
    int result = entry->call();
    int has_struck = cplatform_injection_disarm();
    if (result < 0) {
      if (!has_struck || !is_exhaustion(kind, result) || !is_sentence(merino_last_error()))
        CHECK(!"the code and the sentence are those of something that is exhausted", what);
    }
    entry->after(result);
    if (slots != merino_injection_slots_in_use()) CHECK(!"no slot is left taken", what);
    if (check_failures > failures) {
      say("  in: %s", what);
      return;
    }
    // Freed segments give their addresses back.
    NEED(merino_barrier());
    NEED(merino_barrier());
    if (!has_struck) {
      say("PASS %s: %d %s can fail [%d]", entry->name, nth - 1, kind == SLOT ? "slots" : "allocations", check_node);
      return;
    }
  }
  CHECK(!"the call comes to its end", what);
}

// ---- The fabric, whose failures last: in a child each, which joins a job of its own

enum { DONE = 77 };

// Pointers and System V have no codes: the sentence says it.
static int says_fabric(const struct entry *entry, int result) {
  int has_code = strncmp(entry->name, "merino_shm", 10) != 0 && strstr(entry->name, "alloc") == NULL && strcmp(entry->name, "merino_free") != 0;
  return (has_code ? result == MERINO_EFABRIC : result < 0) && strstr(merino_last_error(), "fabric") != NULL;
}

static int complain(const struct entry *entry, int nth, const char *what_is_wrong, int result) {
  say("FAIL %s, operation %d of the fabric fails: %s: %d (%s)", entry->name, nth, what_is_wrong, result, merino_last_error());
  return 1;
}

static int fabric_child(const struct entry *entry, int nth) {
  snprintf(what, sizeof what, "%s, operation %d of the fabric fails", entry->name, nth);
  within(10);
  check_failures = 0;
  NEED(merino_init());
  entry->before();
  merino_lock_t fresh, held;
  merino_event_t set;
  NEED(merino_lock_create(&fresh));
  NEED(merino_lock_create(&held));
  NEED(merino_event_create(&set));
  NEED(merino_event_set(set));
  NEED(merino_lock_acquire(held));
  cplatform_injection_arm(FABRIC, nth);
  int result = entry->call();
  if (!cplatform_injection_disarm()) {
    if (result != 0) return complain(entry, nth, "nothing failed, and yet", result);
    return DONE;
  }
  if (result == 0 || !says_fabric(entry, result)) return complain(entry, nth, "the call says", result);
  // From here on this node's job is over, and all calls say the same. None hangs, and none says something else.
  result = entry->call();
  if (!says_fabric(entry, result)) return complain(entry, nth, "the second call says", result);
  result = merino_lock_acquire(fresh);
  if (result != MERINO_EFABRIC) return complain(entry, nth, "taking a lock says", result);
  result = merino_lock_release(held);
  if (result != MERINO_EFABRIC) return complain(entry, nth, "giving a lock back says", result);
  result = merino_lock_release(held);
  if (result != MERINO_EFABRIC) return complain(entry, nth, "giving it back again says", result);
  result = merino_event_wait(set);
  if (result != MERINO_EFABRIC) return complain(entry, nth, "waiting for an event says", result);
  result = merino_barrier();
  if (result != MERINO_EFABRIC) return complain(entry, nth, "the barrier says", result);
  result = merino_finalize();
  if (result != MERINO_EFABRIC) return complain(entry, nth, "leaving says", result);
  result = merino_node();
  if (result != MERINO_ENOTINIT) return complain(entry, nth, "and after it", result);
  return 0;
}

// Joining and leaving: what fails leaves the process as it was, or out of the job.
static int call_init(void) { return merino_init(); }
static int call_finalize(void) { return merino_finalize(); }

static int process_child(int is_joining, int kind, int nth) {
  const struct entry entry = {is_joining ? "merino_init" : "merino_finalize", NULL, is_joining ? call_init : call_finalize, NULL};
  snprintf(what, sizeof what, "%s, failure %d", entry.name, nth);
  within(10);
  check_failures = 0;
  if (!is_joining) NEED(merino_init());
  cplatform_injection_arm(kind, nth);
  int result = entry.call(), has_struck = cplatform_injection_disarm();
  if (!has_struck) return result == 0 ? DONE : complain(&entry, nth, "nothing failed, and yet", result);
  if (!is_joining) {
    if (merino_node() != MERINO_ENOTINIT) return complain(&entry, nth, "it has not left", result);
    return 0;
  }
  // Where an allocation had a second try, it has joined.
  if (result == 0) return merino_finalize() == 0 ? 0 : complain(&entry, nth, "leaving says", -1);
  if (!is_sentence(merino_last_error())) return complain(&entry, nth, "no sentence", result);
  if (merino_node() != MERINO_ENOTINIT) return complain(&entry, nth, "it has joined all the same", result);
  // Without a launcher it may try again.
  result = merino_init();
  if (result != 0) return complain(&entry, nth, "the second try says", result);
  result = merino_finalize();
  return result == 0 ? 0 : complain(&entry, nth, "leaving says", result);
}

// Runs `child` for one use after the other until none fails.
static void each_use(const char *name, int (*child)(const void *, int, int), const void *argument, int kind) {
  for (int nth = 1; nth <= most_uses; nth++) {
    pid_t pid = fork();
    if (pid == 0) {
      int code = child(argument, kind, nth);
      _exit(check_failures > 0 ? 1 : code);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) abort();
    if (WIFEXITED(status) && WEXITSTATUS(status) == DONE) {
      say("PASS %s: %d %s can fail [0]", name, nth - 1, kind == FABRIC ? "operations" : "allocations");
      return;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      check_failures++;
      say("FAIL %s: with failure %d the process ends by %s %d", name, nth, WIFSIGNALED(status) ? "signal" : "code",
          WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
      return;
    }
  }
  CHECK(!"the call comes to its end", name);
}

static int run_entry(const void *entry, int kind, int nth) {
  (void)kind;
  return fabric_child(entry, nth);
}
static int run_init(const void *unused, int kind, int nth) { return (void)unused, process_child(1, kind, nth); }
static int run_finalize(const void *unused, int kind, int nth) { return (void)unused, process_child(0, kind, nth); }

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "", *only = argc > 2 ? argv[2] : NULL;
  if (strcmp(mode, "--list") == 0) {
    for (int i = 0; i < entry_count; i++) puts(entries[i].name);
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++) puts(left_out[i]);
    puts("merino_init\nmerino_finalize");
    return 0;
  }
  if (strcmp(mode, "locals") == 0) {
    (void)join_job();
    for (int i = 0; i < entry_count; i++) {
      if (only != NULL && strcmp(only, entries[i].name) != 0) continue;
      locals(&entries[i], SLOT);
      locals(&entries[i], ALLOCATION);
    }
    return leave_job();
  }
  check_node = 0;
  for (int i = 0; i < entry_count; i++) {
    if (only == NULL || strcmp(only, entries[i].name) == 0) each_use(entries[i].name, run_entry, &entries[i], FABRIC);
  }
  if (only == NULL) {
    each_use("merino_init", run_init, NULL, ALLOCATION);
    each_use("merino_init", run_init, NULL, FABRIC);
    each_use("merino_finalize", run_finalize, NULL, FABRIC);
  }
  return check_failures == 0 ? 0 : 1;
}
