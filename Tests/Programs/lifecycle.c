// Joining and leaving, on any number of nodes: calls at the wrong time, settings out of range, a child of
// fork(), what is left of the library afterwards.
#define _GNU_SOURCE
#include "check.h"
#include "process.h"

#include <sys/mman.h>
#include <sys/wait.h>

/// Every function once, where this process is no node: the code of all is `code`.
static int calls_that_give(int code) {
  merino_segment_t s = 1;
  merino_segment_info_t info = MERINO_SEGMENT_INFO_INIT;
  merino_stats_t stats = MERINO_STATS_INIT;
  void *view;
  uint64_t handle = 1, word = 0;
  uint32_t half = 0;
  int64_t i = 0;
  double d = 0;
  int wrong = 0;
  int got[] = {
      merino_finalize(), merino_node(), merino_nodes(), merino_segment_create("a", 1, NULL, &s),
      merino_segment_open("a", &s), merino_segment_attach(s, NULL, PROT_READ, &view),
      merino_segment_detach(&word), merino_segment_destroy(s), merino_segment_info(s, &info),
      merino_collective_free(NULL), merino_lock_create(&handle), merino_lock_create_named("a", &handle),
      merino_lock_destroy(handle), merino_lock_acquire(handle), merino_lock_try_acquire(handle),
      merino_lock_acquire_within(handle, 1), merino_lock_release(handle), merino_rwlock_create(&handle),
      merino_rwlock_destroy(handle), merino_rwlock_acquire_read(handle), merino_rwlock_acquire_write(handle),
      merino_rwlock_release(handle), merino_event_create(&handle), merino_event_destroy(handle),
      merino_event_set(handle), merino_event_clear(handle), merino_event_wait(handle),
      merino_cond_create(&handle), merino_cond_destroy(handle), merino_cond_wait(handle, handle),
      merino_cond_wait_within(handle, handle, 1), merino_cond_signal(handle), merino_cond_broadcast(handle),
      merino_barrier(), merino_barrier_create(1, &handle), merino_barrier_destroy(handle),
      merino_barrier_wait(handle), merino_fence_acquire(), merino_fence_release(),
      merino_atomic_load_u32(&half, &half), merino_atomic_store_u64(&word, 1),
      merino_atomic_fetch_add_u64_acq_rel(&word, 1, &word), merino_broadcast(&word, 8, 0),
      merino_allreduce_i64(&i, 1, MERINO_SUM), merino_allreduce_u64(&word, 1, MERINO_SUM),
      merino_allreduce_f64(&d, 1, MERINO_SUM), merino_prefetch(&word, 8), merino_pin(&word, 8, PROT_READ),
      merino_unpin(&word, 8), merino_stats(&stats),
  };
  for (size_t n = 0; n < sizeof got / sizeof *got; n++) {
    if (got[n] != code) say("call %zu of the list gave %d", n, got[n]), wrong++;
  }
  errno = 0;
  wrong += merino_malloc(8) != NULL || errno == 0;
  wrong += merino_calloc(8, 8) != NULL || merino_aligned_alloc(8, 8) != NULL;
  wrong += merino_collective_malloc(8, 0) != NULL;
  errno = 0;
  merino_free(&word);
  wrong += errno == 0;
  wrong += merino_handle_fault(SIGSEGV, NULL, NULL) != 0;
  return wrong;
}

static void before_joining(void) {
  CHECK(strcmp(merino_last_error(), "") == 0, "last_error: nothing has failed yet");
  CHECK(calls_that_give(MERINO_ENOTINIT) == 0, "before joining: every call gives MERINO_ENOTINIT");
  CHECK(is_sentence(merino_last_error()) && strstr(merino_last_error(), "merino_init") != NULL,
        "before joining: the sentence says what to do");
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", MERINO_VERSION_MAJOR, MERINO_VERSION_MINOR,
           MERINO_VERSION_PATCH);
  CHECK(strcmp(merino_version(), version) == 0, "version: that of the header");
  int wrong = 0;
  for (int code = 0; code >= MERINO_EFORKED; code--) {
    const char *words = merino_strerror(code);
    wrong += words == NULL || strlen(words) < 4 || strcmp(words, merino_strerror(-1000)) == 0;
    for (int other = 0; other > code; other--) wrong += strcmp(words, merino_strerror(other)) == 0;
  }
  CHECK(wrong == 0, "strerror: words of its own for each code");
  CHECK(merino_strerror(1) != NULL && merino_strerror(INT32_MIN) != NULL && merino_strerror(-23) != NULL,
        "strerror: numbers that are no code");
}

static void *last_error_of_thread(void *result) {
  *(int *)result = strcmp(merino_last_error(), "") == 0;
  return NULL;
}

static void bad_options(void) {
  merino_options_t options = MERINO_OPTIONS_INIT;
  options.size = 0;
  CHECK_CODE(merino_init_with(&options), MERINO_EINVAL, "options: not initialised");
  options.size = sizeof options;
  options.capacity_bytes = UINT64_MAX;
  CHECK_CODE(merino_init_with(&options), MERINO_EINVAL, "options: a capacity of UINT64_MAX");
  options.capacity_bytes = (uint64_t)INT64_MAX;
  CHECK_CODE(merino_init_with(&options), MERINO_EINVAL, "options: a capacity of INT64_MAX");
  options.capacity_bytes = 0;
  options.max_locks = 1;
  CHECK_CODE(merino_init_with(&options), MERINO_EINVAL, "options: one lock");
  options.max_locks = UINT32_MAX;
  CHECK_CODE(merino_init_with(&options), MERINO_EINVAL, "options: 2^32 - 1 locks");
  options.max_locks = 0;
  options.fabric = "carrier pigeon";
  CHECK_CODE(merino_init_with(&options), MERINO_ENOTSUP, "options: no such fabric");
  CHECK(strstr(merino_last_error(), "carrier pigeon") != NULL, "options: the sentence names it");
  options.fabric = NULL;
  options.log_level = 17;
  CHECK_CODE(merino_init_with(&options), MERINO_EINVAL, "options: no such level");
}

static int messages;
static void on_message(void *context, int level, const char *message) {
  if (context == &messages && level >= 1 && level <= 4 && strstr(message, "capacity") != NULL) messages++;
}

static void child_of_fork(unsigned char *shared) {
  pid_t child = fork();
  if (child == 0) {
    int wrong = calls_that_give(MERINO_EFORKED);
    wrong += merino_init() != MERINO_EFORKED;
    wrong += strstr(merino_last_error(), "fork") == NULL;
    if (wrong != 0) say("the child: %d wrong; %s", wrong, merino_last_error());
    exit(wrong == 0 ? 40 : 41);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 40,
        "fork: the child's calls give MERINO_EFORKED, it can exit");
  child = fork();
  if (child == 0) {
    volatile unsigned char byte = *shared;
    _exit(byte == 0 ? 42 : 43);
  }
  waitpid(child, &status, 0);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "fork: shared memory is not there in the child");
  *shared = 9;
  CHECK(*shared == 9, "fork: the parent goes on");
}

int main(void) {
  before_joining();
  bad_options();
  struct sigaction before, after;
  sigaction(SIGSEGV, NULL, &before);
  int threads = thread_count(), descriptors = descriptor_count();
  merino_options_t options = MERINO_OPTIONS_INIT;
  options.capacity_bytes = 256 << 20;
  options.max_locks = 4096;
  options.log = on_message;
  options.log_context = &messages;
  options.log_level = MERINO_LOG_INFO;
  NEED(merino_init_with(&options));
  check_node = merino_node();
  CHECK(messages == 1, "options: the log function hears what was chosen");
  CHECK_CODE(merino_init(), MERINO_EALREADY, "init: twice");
  CHECK_CODE(merino_init_with(&options), MERINO_EALREADY, "init_with: joined");
  int untouched = 0;
  pthread_join(start(last_error_of_thread, &untouched), NULL);
  CHECK(untouched, "last_error: each thread has its own");
  merino_segment_t s;
  CHECK_CODE(merino_segment_create("too much", 257 << 20, NULL, &s), MERINO_ENOSPC,
             "options: the capacity holds");
  unsigned char *shared = merino_malloc(64);
  *shared = 1;
  NEED(merino_barrier());
  child_of_fork(shared);
  NEED(merino_barrier());
  CHECK_CODE(merino_finalize(), MERINO_SUCCESS, "finalize");
  CHECK(calls_that_give(MERINO_ENOTINIT) == 0, "after leaving: every call gives MERINO_ENOTINIT");
  CHECK_CODE(merino_init(), MERINO_EALREADY, "init: after leaving");
  CHECK(merino_handle_fault(SIGSEGV, NULL, NULL) == 0, "handle_fault: after leaving");
  sigaction(SIGSEGV, NULL, &after);
  // SA_RESTORER, which has no name in the headers, is glibc's own in every action that was ever set.
  CHECK(before.sa_handler == after.sa_handler &&
            (before.sa_flags | 0x04000000) == (after.sa_flags | 0x04000000),
        "left: the signal's action");
  CHECK(thread_count() == threads, "left: no thread of the library");
  CHECK(mappings_of("memfd:merino") == 0, "left: no shared memory is mapped");
  // But for the pair, device and its events, that librdmacm keeps for each device that it has opened.
  int kept = device_descriptor_count();
  const char *method = getenv("MERINO_CONNECT");
  int by_exchange = method != NULL && strcmp(method, "exchange") == 0;
  CHECK(kept == 0 || (!by_exchange && kept <= 2 * device_count()),
        "left: librdmacm keeps one pair for each device");
  CHECK(descriptor_count() - kept <= descriptors, "left: no descriptor is open");
  return check_failures == 0 ? 0 : 1;
}
