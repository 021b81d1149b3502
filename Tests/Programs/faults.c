// Faults that are not Merino's, in a process that has joined: they go where they would go without it. And the
// ways to end a job. The first argument says which; a second one, which node ends it (the last one); a third
// one, what the others wait for meanwhile: barrier, lock, event or condition; or releases, which they do of a
// lock homed there.
#define _GNU_SOURCE
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

static sigjmp_buf escape;
static volatile sig_atomic_t calls, code_seen;
static void *volatile address_seen;
static volatile int *page;

static void with_info(int signal, siginfo_t *info, void *context) {
  (void)context;
  calls++;
  code_seen = info->si_code;
  address_seen = signal == SIGSEGV ? info->si_addr : NULL;
  siglongjmp(escape, 1);
}

static void without_info(int signal) {
  calls += signal == SIGSEGV;
  siglongjmp(escape, 1);
}

/// Makes the page accessible and goes on, as a garbage collector does.
static void repair(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)context;
  calls++;
  address_seen = info->si_addr;
  mprotect((void *)page, 4096, PROT_READ | PROT_WRITE);
}

/// Installed after joining: Merino's faults first.
static void installed_later(int signal, siginfo_t *info, void *context) {
  if (merino_handle_fault(signal, info, context) == 1) return;
  calls++;
  address_seen = info->si_addr;
  siglongjmp(escape, 1);
}

static void install(void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = {0};
  action.sa_sigaction = handler;
  action.sa_flags = flags;
  if (flags & SA_SIGINFO) sigfillset(&action.sa_mask);
  sigaction(SIGSEGV, &action, NULL);
}

/// Shared memory works: stores of all nodes arrive.
static void use_shared_memory(const char *name) {
  uint32_t *words = merino_collective_malloc(8 * 4096, 0);
  int wrong = 0;
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 8; i++) words[i * 1024 + check_node] = (uint32_t)(i + round);
    NEED(merino_barrier());
    for (int i = 0; i < 8; i++) {
      for (int n = 0; n < merino_nodes(); n++) wrong += words[i * 1024 + n] != (uint32_t)(i + round);
    }
    NEED(merino_barrier());
  }
  CHECK(wrong == 0, name);
  NEED(merino_collective_free((void *)words));
}

static int handlers(const char *which) {
  page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (strcmp(which, "siginfo") == 0) install(with_info, SA_SIGINFO);
  if (strcmp(which, "plain") == 0) install((void (*)(int, siginfo_t *, void *))(void *)without_info, 0);
  if (strcmp(which, "repair") == 0) install(repair, SA_SIGINFO | SA_NODEFER);
  join_job();
  if (strcmp(which, "later") == 0) install(installed_later, SA_SIGINFO);
  use_shared_memory("shared memory beside the handler");
  for (int round = 1; round <= 3; round++) {
    mprotect((void *)page, 4096, PROT_NONE);
    if (sigsetjmp(escape, 1) == 0) page[5] = round;
    CHECK(calls == round, "the program's handler gets its fault");
    if (strcmp(which, "plain") != 0) CHECK(address_seen == &page[5], "with its address");
    if (strcmp(which, "repair") == 0) CHECK(page[5] == round, "the access is done again");
    use_shared_memory("shared memory after the fault");
  }
  if (strcmp(which, "siginfo") == 0) {
    CHECK(code_seen == SEGV_ACCERR, "with its code");
    if (sigsetjmp(escape, 1) == 0) (void)*(volatile int *)4096;
    CHECK(calls == 4 && code_seen == SEGV_MAPERR && address_seen == (void *)4096,
          "an address where nothing is");
    if (sigsetjmp(escape, 1) == 0) raise(SIGSEGV);
    CHECK(calls == 5 && code_seen == SI_TKILL, "a signal that was sent");
  }
  return leave_job();
}

static merino_lock_t lock, homed_there;
static merino_event_t event;
static merino_cond_t condition;

/// Makes what the others wait for: what node `ending` alone has, or alone would bring.
static void prepare(int ending) {
  uint64_t *handles = merino_collective_malloc(3 * sizeof *handles, 0);
  if (handles == NULL) merino_abort(3);
  NEED(merino_lock_create_named("of the one that ends", &lock));
  if (check_node == ending) {
    NEED(merino_event_create(&handles[0]));
    NEED(merino_cond_create(&handles[1]));
    NEED(merino_lock_create(&handles[2]));
    NEED(merino_lock_acquire(lock));
  }
  NEED(merino_barrier());
  event = handles[0], condition = handles[1], homed_there = handles[2];
}

/// Waits for what never comes; the code that says so.
static int wait_for(const char *what) {
  merino_lock_t own;
  if (strcmp(what, "lock") == 0) return merino_lock_acquire(lock);
  if (strcmp(what, "releases") == 0) {
    int code = 0;
    while (code == 0) {
      code = merino_lock_acquire(homed_there);
      if (code == 0) code = merino_lock_release(homed_there);
    }
    return code;
  }
  if (strcmp(what, "event") == 0) return merino_event_wait(event);
  if (strcmp(what, "condition") == 0) {
    NEED(merino_lock_create(&own));
    NEED(merino_lock_acquire(own));
    return merino_cond_wait(condition, own);
  }
  return merino_barrier();
}

struct waiter {
  const char *what;
  int code;
};

static void *wait_in_thread(void *waiter) {
  struct waiter *me = waiter;
  me->code = wait_for(me->what);
  return NULL;
}

/// A thread that certainly waits: this node may not leave because of it.
static pthread_t start_waiter(struct waiter *waiter) {
  merino_lock_t guard;
  NEED(merino_lock_create(&guard));
  NEED(merino_lock_acquire(guard));
  pthread_t thread = start(wait_in_thread, waiter);
  while (merino_finalize() == MERINO_EBUSY &&
         strstr(merino_last_error(), "waits for a lock, an event") == NULL) {}
  NEED(merino_lock_release(guard));
  return thread;
}

/// Leaves a job that is over, while the thread may still be waiting in it.
static int leave_beside_waiter(pthread_t thread, const struct waiter *waiter) {
  int code = merino_barrier();
  say("SAID %d %s", code, merino_last_error());
  // Refused until the thread has been told.
  do code = merino_finalize();
  while (code == MERINO_EBUSY);
  say("LEFT %d", code);
  pthread_join(thread, NULL);
  say("THREAD %d", waiter->code);
  return 9;
}

/// A child with all that its parent had open; it ends some time after its parent.
static void leave_child(void) {
  int ends[2];
  NEED(pipe(ends));
  if (fork() != 0) return;
  char byte;
  close(ends[1]);
  // Till the parent is gone, and a while longer.
  ssize_t got = read(ends[0], &byte, 1);
  sleep(got == 0 ? 8 : 1);
  _exit(0);
}

int main(int count, char **arguments) {
  const char *which = count > 1 ? arguments[1] : "";
  if (strcmp(which, "siginfo") == 0 || strcmp(which, "plain") == 0 || strcmp(which, "repair") == 0 ||
      strcmp(which, "later") == 0) {
    return handlers(which);
  }
  // The launcher's SIGKILL comes a while after its SIGTERM: time to say what the library said.
  signal(SIGTERM, SIG_IGN);
  join_job();
  uint64_t *ready = merino_collective_malloc(sizeof *ready, 0), others = 0;
  if (ready == NULL) merino_abort(3);
  use_shared_memory("shared memory before the end");
  int ending = count > 2 ? atoi(arguments[2]) : merino_nodes() - 1;
  prepare(ending);
  if (check_node == ending) {
    // Not before all others have passed what must succeed.
    while (others + 1 < (uint64_t)merino_nodes()) {
      sleep_ms(1);
      NEED(merino_atomic_load_u64(ready, &others));
    }
    // In the middle of it.
    if (count > 3 && strcmp(arguments[3], "releases") == 0) sleep_ms(300);
    if (strstr(which, "beside-child") != NULL) leave_child();
    if (strncmp(which, "kill", 4) == 0) kill(getpid(), SIGKILL);
    if (strcmp(which, "null") == 0) *(volatile int *)0 = 1;
    if (strcmp(which, "core") == 0) {
      struct rlimit limit;
      getrlimit(RLIMIT_CORE, &limit);
      limit.rlim_cur = limit.rlim_max;
      setrlimit(RLIMIT_CORE, &limit);
      *(volatile int *)0 = 1;
    }
    if (strcmp(which, "freed-view") == 0) {
      merino_segment_t s;
      volatile int *view;
      NEED(merino_segment_create("gone", 4096, NULL, &s));
      NEED(merino_segment_attach(s, NULL, PROT_READ, (void **)&view));
      *view = 1;
    }
    if (strcmp(which, "abort") == 0) merino_abort(37);
    if (strcmp(which, "exit") == 0 || strcmp(which, "exit-beside-child") == 0) exit(0);
    if (strcmp(which, "_exit") == 0) _exit(0);
    if (strcmp(which, "return") == 0) return 0;
    if (strcmp(which, "exit-5") == 0) exit(5);
    if (strcmp(which, "libc-abort") == 0) abort();
    // What started the nodes: without it there is no job.
    if (strcmp(which, "launcher") == 0) kill(getppid(), SIGKILL);
  }
  // The others wait for what never comes. (Where this fails, the wait does and says why.)
  struct waiter waiter = {count > 3 ? arguments[3] : "", 0};
  pthread_t thread = pthread_self();
  if (strcmp(which, "kill-threads") == 0) thread = start_waiter(&waiter);
  merino_atomic_fetch_add_u64(ready, 1, &others);
  if (strcmp(which, "kill-threads") == 0) return leave_beside_waiter(thread, &waiter);
  int code = wait_for(count > 3 ? arguments[3] : "barrier");
  say("SAID %d %s", code, merino_last_error());
  // Also of a job that is over, and of whatever kept it together, one can take leave.
  if (strcmp(which, "kill") == 0) say("LEFT %d", merino_finalize());
  return 9;
}
