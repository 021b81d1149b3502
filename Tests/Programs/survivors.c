// What a node is told when another one has died, and no launcher ends it: every function of merino.h, as
// docs/after-a-loss.md lists it. ci/check-survivors starts the nodes by hand.
//
//   survivors calls NODE WAY WORDS   NODE dies by kill, exit or _exit; the others call everything, and WORDS is in each
//                                    sentence
//   survivors waits NODE WAY WORDS   the others wait in everything that waits, and poll with everything that polls
//   survivors abort NODE WAY WORDS   the others call merino_abort(7)
//   survivors list                   the functions that `calls` calls
#define _GNU_SOURCE
#include "check.h"

#include <signal.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#define PAGE 4096
static int dying, maker;
static const char *words;
static char node_words[32];

// What the calls are made with; all of it is there before the death.
static uint64_t *handles; // shared: what `maker` made
static merino_lock_t free_lock, dead_lock, mine, own_lock;
static merino_rwlock_t rwlock, own_rwlock;
static merino_event_t event, own_event;
static merino_cond_t condition, own_condition;
static merino_barrier_t barrier, own_barrier;
static merino_segment_t segment;
static char *view;   // of the segment: a page for each node
static char *pinned; // this node's page of `view`
static void *block;  // of the heap
static int shm;
static void *shm_view;
static uint32_t word32;
static uint64_t word64, other;
#define ADDRESS32 ((uint32_t *)(void *)(view + 64))
#define ADDRESS64 ((uint64_t *)(void *)(view + 64))

static void prepare(void) {
  maker = dying == 0 ? 1 : 0;
  handles = merino_collective_malloc(8 * sizeof *handles, 0);
  if (handles == NULL) merino_abort(3);
  if (check_node == maker) {
    NEED(merino_lock_create(&handles[0]));
    NEED(merino_rwlock_create(&handles[1]));
    NEED(merino_event_create(&handles[2]));
    NEED(merino_cond_create(&handles[3]));
    NEED(merino_barrier_create(16, &handles[4]));
    NEED(merino_segment_create("survivors", 16 * PAGE, NULL, &segment));
    handles[5] = (uint64_t)merino_shmget(4711, PAGE, IPC_CREAT | 0600);
  }
  NEED(merino_lock_create_named("the dead one's", &dead_lock));
  if (check_node == dying) NEED(merino_lock_acquire(dead_lock));
  NEED(merino_barrier());
  free_lock = handles[0], rwlock = handles[1], event = handles[2], condition = handles[3], barrier = handles[4];
  shm = (int)handles[5];
  NEED(merino_segment_open("survivors", &segment));
  NEED(merino_segment_attach(segment, NULL, PROT_READ | PROT_WRITE, (void **)&view));
  pinned = view + check_node * PAGE;
  memset(pinned, 'a' + check_node, PAGE);
  NEED(merino_pin(pinned, PAGE, PROT_READ | PROT_WRITE));
  NEED(merino_lock_create(&mine));
  NEED(merino_lock_acquire(mine));
  NEED(merino_rwlock_acquire_read(rwlock));
  NEED(merino_lock_create(&own_lock));
  NEED(merino_rwlock_create(&own_rwlock));
  NEED(merino_event_create(&own_event));
  NEED(merino_cond_create(&own_condition));
  NEED(merino_barrier_create(2, &own_barrier));
  block = merino_malloc(100);
  shm_view = merino_shmat(shm, NULL, 0);
  if (block == NULL || shm_view == (void *)-1) merino_abort(3);
  // A copy of another survivor's page: it can be written without anybody.
  NEED(merino_barrier());
  int neighbour = 3 - dying - check_node;
  if (check_node != dying && *(volatile char *)(view + neighbour * PAGE) != 'a' + neighbour) merino_abort(4);
  NEED(merino_barrier());
}

static void die(const char *way) {
  sleep_ms(300);
  if (strcmp(way, "kill") == 0) kill(getpid(), SIGKILL);
  if (strcmp(way, "exit") == 0) exit(3);
  _exit(0);
}

// The sentence names the node, and how it ended.
static int names_the_dead(const char *sentence) {
  return is_sentence(sentence) && strstr(sentence, node_words) != NULL && strstr(sentence, words) != NULL;
}

// ---- The calls. FAILS: gives MERINO_EPEER. FAILS_POINTER, FAILS_SHM: NULL or -1 with EHOSTDOWN. ANSWERS: as it says.

enum list { fails, answers, by_range };
struct call {
  const char *name;
  enum list list;
  int (*call)(void); // 1: as it should be
};

static int is_told(int code) { return code == MERINO_EPEER && names_the_dead(merino_last_error()); }
static int is_told_by_errno(int failed) { return failed && errno == EHOSTDOWN && names_the_dead(merino_last_error()); }

#define FAILS(name, ...) static int call_##name(void) { return is_told(name(__VA_ARGS__)); }
#define FAILS_POINTER(name, ...) \
  static int call_##name(void) { errno = 0; return is_told_by_errno((name(__VA_ARGS__)) == NULL); }
#define ANSWERS(name, condition) static int call_##name(void) { return condition; }

FAILS(merino_segment_create, "another", PAGE, NULL, &(merino_segment_t){0})
FAILS(merino_segment_open, "survivors", &(merino_segment_t){0})
FAILS(merino_segment_attach, segment, NULL, PROT_READ, (void **)&(char *){NULL})
FAILS(merino_segment_detach, view)
FAILS(merino_segment_destroy, segment)
FAILS(merino_segment_info, segment, &(merino_segment_info_t)MERINO_SEGMENT_INFO_INIT)
FAILS_POINTER(merino_malloc, 16)
FAILS_POINTER(merino_calloc, 2, 16)
FAILS_POINTER(merino_realloc, block, 100000)
FAILS_POINTER(merino_aligned_alloc, 64, 64)
FAILS_POINTER(merino_collective_malloc, 64, 0)
FAILS(merino_collective_free, handles)
static int call_merino_free(void) {
  errno = 0;
  merino_free(block);
  return is_told_by_errno(1);
}
FAILS(merino_lock_create, &(merino_lock_t){0})
FAILS(merino_lock_create_named, "another", &(merino_lock_t){0})
FAILS(merino_lock_destroy, own_lock)
FAILS(merino_lock_acquire, free_lock)
FAILS(merino_lock_try_acquire, free_lock)
static int call_merino_lock_acquire_within(void) {
  // At once, whoever has the lock and however long it may take.
  uint64_t began = now_ns();
  int told = is_told(merino_lock_acquire_within(free_lock, 60000000000u)) &&
             is_told(merino_lock_acquire_within(dead_lock, 60000000000u)) && is_told(merino_lock_acquire_within(dead_lock, 0));
  return told && now_ns() - began < 5000000000u;
}
FAILS(merino_lock_release, mine)
FAILS(merino_rwlock_create, &(merino_rwlock_t){0})
FAILS(merino_rwlock_destroy, own_rwlock)
FAILS(merino_rwlock_acquire_read, own_rwlock)
FAILS(merino_rwlock_acquire_write, own_rwlock)
FAILS(merino_rwlock_release, rwlock)
FAILS(merino_event_create, &(merino_event_t){0})
FAILS(merino_event_destroy, own_event)
FAILS(merino_event_set, event)
FAILS(merino_event_clear, event)
FAILS(merino_event_wait, event)
FAILS(merino_cond_create, &(merino_cond_t){0})
FAILS(merino_cond_destroy, own_condition)
FAILS(merino_cond_wait, condition, mine)
FAILS(merino_cond_wait_within, condition, mine, 60000000000u)
FAILS(merino_cond_signal, condition)
FAILS(merino_cond_broadcast, condition)
FAILS(merino_barrier)
FAILS(merino_barrier_create, 2, &(merino_barrier_t){0})
FAILS(merino_barrier_destroy, own_barrier)
FAILS(merino_barrier_wait, barrier)
FAILS(merino_fence_acquire)
FAILS(merino_fence_release)
#define ATOMICS(size)                                                                       \
  FAILS(merino_atomic_load_u##size, ADDRESS##size, &word##size)                             \
  FAILS(merino_atomic_load_u##size##_acquire, ADDRESS##size, &word##size)                   \
  FAILS(merino_atomic_store_u##size, ADDRESS##size, 1)                                      \
  FAILS(merino_atomic_store_u##size##_release, ADDRESS##size, 1)                            \
  FAILS(merino_atomic_exchange_u##size, ADDRESS##size, 1, NULL)                             \
  FAILS(merino_atomic_exchange_u##size##_acquire, ADDRESS##size, 1, NULL)                   \
  FAILS(merino_atomic_exchange_u##size##_release, ADDRESS##size, 1, NULL)                   \
  FAILS(merino_atomic_exchange_u##size##_acq_rel, ADDRESS##size, 1, NULL)                   \
  FAILS(merino_atomic_compare_exchange_u##size, ADDRESS##size, 1, 2, NULL)                  \
  FAILS(merino_atomic_compare_exchange_u##size##_acquire, ADDRESS##size, 1, 2, NULL)        \
  FAILS(merino_atomic_compare_exchange_u##size##_release, ADDRESS##size, 1, 2, NULL)        \
  FAILS(merino_atomic_compare_exchange_u##size##_acq_rel, ADDRESS##size, 1, 2, NULL)        \
  FAILS(merino_atomic_fetch_add_u##size, ADDRESS##size, 1, NULL)                            \
  FAILS(merino_atomic_fetch_add_u##size##_acquire, ADDRESS##size, 1, NULL)                  \
  FAILS(merino_atomic_fetch_add_u##size##_release, ADDRESS##size, 1, NULL)                  \
  FAILS(merino_atomic_fetch_add_u##size##_acq_rel, ADDRESS##size, 1, NULL)
ATOMICS(32)
ATOMICS(64)
FAILS(merino_broadcast, &other, sizeof other, maker)
FAILS(merino_allreduce_i64, (int64_t *)&other, 1, MERINO_SUM)
FAILS(merino_allreduce_u64, &other, 1, MERINO_SUM)
FAILS(merino_allreduce_f64, (double *)(void *)&other, 1, MERINO_SUM)
FAILS(merino_prefetch, view, 3 * PAGE)
// Also where all of it is here.
FAILS(merino_pin, pinned, PAGE, PROT_READ)
#define SHM(name, failure, ...) \
  static int call_##name(void) { errno = 0; return is_told_by_errno(name(__VA_ARGS__) == (failure)); }
SHM(merino_shmget, -1, 4712, PAGE, IPC_CREAT | 0600)
SHM(merino_shmat, (void *)-1, shm, NULL, 0)
SHM(merino_shmdt, -1, shm_view)
SHM(merino_shmctl, -1, shm, IPC_RMID, NULL)

ANSWERS(merino_init, merino_init() == MERINO_EALREADY)
ANSWERS(merino_init_with, merino_init_with(NULL) == MERINO_EALREADY)
ANSWERS(merino_node, merino_node() == check_node)
ANSWERS(merino_nodes, merino_nodes() == 3)
ANSWERS(merino_version, strcmp(merino_version(), "") > 0)
ANSWERS(merino_strerror, strcmp(merino_strerror(MERINO_EPEER), "a node is gone") == 0)
static int call_merino_last_error(void) {
  return merino_fence_release() == MERINO_EPEER && names_the_dead(merino_last_error());
}
static int call_merino_stats(void) {
  merino_stats_t stats = MERINO_STATS_INIT;
  // What this node has counted; what others would have to be asked is 0.
  return merino_stats(&stats) == MERINO_SUCCESS && stats.barriers > 0 && stats.heap_bytes_in_use == 0 &&
         stats.segment_bytes_in_use == 0;
}

static int call_merino_unpin(void) {
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
static int call_merino_handle_fault(void) {
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

// Last: what leaves.
static int call_merino_finalize(void) {
  return is_told(merino_finalize()) && merino_node() == MERINO_ENOTINIT && merino_finalize() == MERINO_ENOTINIT;
}
// In a run of its own (`abort`).
static int call_merino_abort(void) { return 1; }

#define CALL(name, list) {#name, list, call_##name},
#define ATOMIC_CALLS(size)                                                                                           \
  CALL(merino_atomic_load_u##size, fails) CALL(merino_atomic_load_u##size##_acquire, fails)                          \
  CALL(merino_atomic_store_u##size, fails) CALL(merino_atomic_store_u##size##_release, fails)                        \
  CALL(merino_atomic_exchange_u##size, fails) CALL(merino_atomic_exchange_u##size##_acquire, fails)                  \
  CALL(merino_atomic_exchange_u##size##_release, fails) CALL(merino_atomic_exchange_u##size##_acq_rel, fails)        \
  CALL(merino_atomic_compare_exchange_u##size, fails) CALL(merino_atomic_compare_exchange_u##size##_acquire, fails)  \
  CALL(merino_atomic_compare_exchange_u##size##_release, fails)                                                      \
  CALL(merino_atomic_compare_exchange_u##size##_acq_rel, fails)                                                      \
  CALL(merino_atomic_fetch_add_u##size, fails) CALL(merino_atomic_fetch_add_u##size##_acquire, fails)                \
  CALL(merino_atomic_fetch_add_u##size##_release, fails) CALL(merino_atomic_fetch_add_u##size##_acq_rel, fails)

static const struct call calls[] = {
  CALL(merino_segment_create, fails) CALL(merino_segment_open, fails) CALL(merino_segment_attach, fails)
  CALL(merino_segment_detach, fails) CALL(merino_segment_destroy, fails) CALL(merino_segment_info, fails)
  CALL(merino_malloc, fails) CALL(merino_calloc, fails) CALL(merino_realloc, fails)
  CALL(merino_aligned_alloc, fails) CALL(merino_free, fails)
  CALL(merino_collective_malloc, fails) CALL(merino_collective_free, fails)
  CALL(merino_lock_create, fails) CALL(merino_lock_create_named, fails) CALL(merino_lock_destroy, fails)
  CALL(merino_lock_acquire, fails) CALL(merino_lock_try_acquire, fails) CALL(merino_lock_acquire_within, fails)
  CALL(merino_lock_release, fails)
  CALL(merino_rwlock_create, fails) CALL(merino_rwlock_destroy, fails) CALL(merino_rwlock_acquire_read, fails)
  CALL(merino_rwlock_acquire_write, fails) CALL(merino_rwlock_release, fails)
  CALL(merino_event_create, fails) CALL(merino_event_destroy, fails) CALL(merino_event_set, fails)
  CALL(merino_event_clear, fails) CALL(merino_event_wait, fails)
  CALL(merino_cond_create, fails) CALL(merino_cond_destroy, fails) CALL(merino_cond_wait, fails)
  CALL(merino_cond_wait_within, fails) CALL(merino_cond_signal, fails) CALL(merino_cond_broadcast, fails)
  CALL(merino_barrier, fails) CALL(merino_barrier_create, fails) CALL(merino_barrier_destroy, fails)
  CALL(merino_barrier_wait, fails) CALL(merino_fence_acquire, fails) CALL(merino_fence_release, fails)
  ATOMIC_CALLS(32) ATOMIC_CALLS(64)
  CALL(merino_broadcast, fails) CALL(merino_allreduce_i64, fails) CALL(merino_allreduce_u64, fails)
  CALL(merino_allreduce_f64, fails) CALL(merino_prefetch, fails) CALL(merino_pin, fails)
  CALL(merino_shmget, fails) CALL(merino_shmat, fails) CALL(merino_shmdt, fails) CALL(merino_shmctl, fails)
  CALL(merino_init, answers) CALL(merino_init_with, answers) CALL(merino_node, answers) CALL(merino_nodes, answers)
  CALL(merino_version, answers) CALL(merino_strerror, answers) CALL(merino_last_error, answers)
  CALL(merino_stats, answers)
  CALL(merino_handle_fault, by_range) CALL(merino_unpin, by_range)
  CALL(merino_abort, answers) CALL(merino_finalize, answers)
};
enum { call_count = sizeof calls / sizeof *calls };

static void list(void) {
  const char *names[] = {"fails", "answers", "by-range"};
  for (int i = 0; i < call_count; i++) say("%s %s", names[calls[i].list], calls[i].name);
}

// Polls: a program that only asks is told, too.
static void await_news(void) {
  uint64_t began = now_ns();
  int code = MERINO_SUCCESS;
  while (code == MERINO_SUCCESS && now_ns() - began < 20000000000u) {
    code = merino_fence_release();
    sleep_ms(1);
  }
  CHECK(is_told(code), "who polls is told");
}

static int make_calls(void) {
  await_news();
  for (int i = 0; i < call_count; i++) {
    CHECK(calls[i].call(), calls[i].name);
    // And again: it has changed nothing.
    if (calls[i].list == fails) CHECK(calls[i].call(), calls[i].name);
  }
  return check_failures != 0;
}

// ---- The waits

static int wait_lock(void) { return merino_lock_acquire(dead_lock); }
static int wait_lock_of_the_living(void) { return merino_lock_acquire(mine); }
static int wait_lock_within(void) { return merino_lock_acquire_within(dead_lock, 120000000000u); }
static int wait_read(void) { return merino_rwlock_acquire_read(own_rwlock); }
static int wait_write(void) { return merino_rwlock_acquire_write(rwlock); }
static int wait_event(void) { return merino_event_wait(event); }
static int wait_condition(void) {
  merino_lock_t lock;
  NEED(merino_lock_create(&lock));
  NEED(merino_lock_acquire(lock));
  return merino_cond_wait(condition, lock);
}
static int wait_condition_within(void) {
  merino_lock_t lock;
  NEED(merino_lock_create(&lock));
  NEED(merino_lock_acquire(lock));
  return merino_cond_wait_within(condition, lock, 120000000000u);
}
static int wait_barrier(void) { return merino_barrier(); }
static int wait_in_barrier(void) { return merino_barrier_wait(barrier); }
// Polls.
#define POLL(call)                                                       \
  int code = MERINO_SUCCESS;                                             \
  while (code == MERINO_SUCCESS || code == MERINO_EBUSY || code == MERINO_ETIMEDOUT) code = call; \
  return code;
static int poll_try(void) { POLL(merino_lock_try_acquire(dead_lock)) }
static int poll_within(void) { POLL(merino_lock_acquire_within(dead_lock, 1000000)) }
static int poll_load(void) { uint64_t value; POLL(merino_atomic_load_u64(ADDRESS64, &value)) }
static int poll_own_load(void) {
  uint64_t value;
  POLL(merino_atomic_load_u64_acquire((uint64_t *)(void *)(view + (8 + check_node) * PAGE), &value))
}
static int poll_add(void) { POLL(merino_atomic_fetch_add_u32(ADDRESS32 + 2, 1, NULL)) }
static int poll_acquire(void) { POLL(merino_fence_acquire()) }
static int poll_release(void) { POLL(merino_fence_release()) }
static int poll_prefetch(void) { POLL(merino_prefetch(view, 3 * PAGE)) }
static int poll_pin(void) {
  POLL((code = merino_pin(view, PAGE, PROT_READ)) == 0 ? merino_unpin(view, PAGE) : code)
}
static int poll_open(void) { merino_segment_t found; POLL(merino_segment_open("survivors", &found)) }
static int poll_malloc(void) {
  void *got;
  while ((got = merino_malloc(24)) != NULL) merino_free(got);
  return errno == EHOSTDOWN ? MERINO_EPEER : errno;
}

static const struct wait {
  const char *name;
  int (*body)(void);
} waits[] = {
  {"merino_lock_acquire", wait_lock}, {"merino_lock_acquire of the living", wait_lock_of_the_living},
  {"merino_lock_acquire_within", wait_lock_within}, {"merino_rwlock_acquire_read", wait_read},
  {"merino_rwlock_acquire_write", wait_write}, {"merino_event_wait", wait_event},
  {"merino_cond_wait", wait_condition}, {"merino_cond_wait_within", wait_condition_within},
  {"merino_barrier", wait_barrier}, {"merino_barrier_wait", wait_in_barrier},
  {"polls merino_lock_try_acquire", poll_try}, {"polls merino_lock_acquire_within", poll_within},
  {"polls merino_atomic_load_u64", poll_load}, {"polls merino_atomic_load_u64_acquire at home", poll_own_load},
  {"polls merino_atomic_fetch_add_u32", poll_add}, {"polls merino_fence_acquire", poll_acquire},
  {"polls merino_fence_release", poll_release}, {"polls merino_prefetch", poll_prefetch}, {"polls merino_pin", poll_pin},
  {"polls merino_segment_open", poll_open}, {"polls merino_malloc", poll_malloc},
};
enum { wait_count = sizeof waits / sizeof *waits };
static struct outcome {
  int index, code, is_told;
} outcomes[wait_count];

static void *wait_thread(void *argument) {
  struct outcome *outcome = argument;
  outcome->code = waits[outcome->index].body();
  outcome->is_told = outcome->code == MERINO_EPEER && names_the_dead(merino_last_error());
  return NULL;
}

static void *holder(void *argument) {
  NEED(merino_rwlock_acquire_write(own_rwlock));
  return argument;
}

static int make_waits(void) {
  pthread_t threads[wait_count];
  pthread_join(start(holder, NULL), NULL);
  for (int i = 0; i < wait_count; i++) {
    outcomes[i].index = i;
    threads[i] = start(wait_thread, &outcomes[i]);
  }
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += 30;
  for (int i = 0; i < wait_count; i++) {
    int ended = pthread_timedjoin_np(threads[i], NULL, &limit);
    if (ended == 0 && !outcomes[i].is_told) say("%s gave %d", waits[i].name, outcomes[i].code);
    CHECK(ended == 0 && outcomes[i].is_told, waits[i].name);
  }
  // With one that did not end, leaving would be refused.
  CHECK(is_told(merino_finalize()), "merino_finalize");
  return check_failures != 0;
}

// Before the death: a time limit holds while somebody else has the lock.
static void keep_limits(void) {
  if (check_node == dying) return;
  for (uint64_t limit = 0; limit <= 200000000; limit = limit == 0 ? 1000000 : limit * 14) {
    uint64_t began = now_ns();
    int code = merino_lock_acquire_within(dead_lock, limit);
    uint64_t took = now_ns() - began;
    // Not how fast: it waits as long as it was told, and does not wait on.
    CHECK(code == MERINO_ETIMEDOUT && took >= limit && took < limit + 3000000000u, "a time limit is kept");
  }
}

int main(int count, char **arguments) {
  if (count == 2 && strcmp(arguments[1], "list") == 0) {
    list();
    return 0;
  }
  if (count != 5) return 2;
  dying = atoi(arguments[2]);
  words = arguments[4];
  snprintf(node_words, sizeof node_words, "node %d left the job", dying);
  if (join_job() != 3) return 2;
  prepare();
  keep_limits();
  if (check_node == dying) die(arguments[3]);
  if (strcmp(arguments[1], "waits") == 0) return make_waits();
  if (strcmp(arguments[1], "abort") == 0) {
    await_news();
    merino_abort(check_failures == 0 ? 7 : 8);
  }
  return make_calls();
}
