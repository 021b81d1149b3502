// Faults of views, and those in views that are the application's own mistake.
#define _GNU_SOURCE
#include "probe.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { page_bytes = 4096 };

static void info_handler(int signal, siginfo_t *info, void *context) {
  (void)context;
  handler_signal = signal;
  handler_calls++;
  handler_code = info->si_code;
  handler_address = info->si_addr;
  siglongjmp(escape, 1);
}

static void before_info(void) { use_action((void *)info_handler, SA_SIGINFO, 0); }

static int served(const struct probe_views *v, const struct probe_callbacks *j) {
  CHECK(peek(v->writable + 10) == 0 && j->faults_served() == 1);
  poke(v->writable + 10, 3);
  CHECK(j->faults_served() == 2);
  poke(v->writable + 11, 4);
  CHECK(peek(v->alias + 10) == 3 && peek(v->readonly + 11) == 4 && v->frames[11] == 4);
  CHECK(j->faults_served() == 4);
  // One store over two pages: both are needed at once.
  *(volatile uint64_t *)(v->alias + 2 * page_bytes - 4) = UINT64_MAX;
  CHECK(v->frames[2 * page_bytes - 1] == -1 && v->frames[2 * page_bytes] == -1);
  CHECK(j->faults_served() == 6);
  errno = 77;
  poke(v->writable + 5 * page_bytes, 1);
  CHECK(errno == 77 && j->faults_served() == 7);
  return 0;
}

static int readonly(const struct probe_views *v, const struct probe_callbacks *j) {
  CHECK(peek(v->readonly) == 0 && j->faults_served() == 1);
  CHECK(ESCAPES(poke(v->readonly + 3, 1)));
  CHECK(handler_address == v->readonly + 3 && handler_code == SEGV_ACCERR && handler_calls == 1);
  CHECK(j->faults_served() == 1 && v->frames[3] == 0);
  return 0;
}

static int not_curable(const struct probe_views *v, const struct probe_callbacks *j) {
  // Execution.
  CHECK(peek(v->writable) == 0);
  CHECK(ESCAPES(((void (*)(void))v->writable)()));
  CHECK(handler_calls == 1 && handler_address == v->writable);
  // A hole in a view that somebody else made.
  munmap(v->alias, page_bytes);
  CHECK(ESCAPES(peek(v->alias)));
  CHECK(handler_calls == 2 && handler_code == SEGV_MAPERR && j->faults_served() == 1);
  CHECK(peek(v->alias + page_bytes) == 0 && j->faults_served() == 2);
  return 0;
}

struct worker {
  const struct probe_views *views;
  int number;
};

enum { worker_count = 4 };

static void *work(void *argument) {
  const struct worker *worker = argument;
  const struct probe_views *v = worker->views;
  // All threads meet on every page, each writes a byte of its own.
  for (size_t at = 0; at < v->bytes; at += page_bytes) {
    char *view = (at / page_bytes + worker->number) & 1 ? v->writable : v->alias;
    poke(view + at + worker->number, (char)(at / page_bytes + worker->number));
  }
  return NULL;
}

static int threads(const struct probe_views *v, const struct probe_callbacks *j) {
  pthread_t ids[worker_count];
  struct worker workers[worker_count];
  for (int i = 0; i < worker_count; i++) {
    workers[i] = (struct worker){v, i};
    CHECK(pthread_create(&ids[i], NULL, work, &workers[i]) == 0);
  }
  for (int i = 0; i < worker_count; i++) pthread_join(ids[i], NULL);
  for (size_t at = 0; at < v->bytes; at += page_bytes) {
    for (int i = 0; i < worker_count; i++) CHECK(v->frames[at + i] == (char)(at / page_bytes + i));
  }
  CHECK(j->faults_served() >= (long)(2 * v->bytes / page_bytes));
  return 0;
}

static volatile int alarms;
static void count_alarm(int signal) {
  (void)signal;
  alarms++;
}

/// The stack that handlers run on: how deep it was used.
static int alternate_stack(const struct probe_views *v, const struct probe_callbacks *j) {
  size_t size = 65536;
  unsigned char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(stack, 0xA5, size);
  stack_t announced = {.ss_sp = stack, .ss_size = size};
  CHECK(sigaltstack(&announced, NULL) == 0);
  poke(v->writable, 1);
  CHECK(v->frames[0] == 1 && j->faults_served() == 1);
  size_t untouched = 0;
  while (untouched < size && stack[untouched] == 0xA5) untouched++;
  CHECK(untouched < size);
  size_t frame = (size_t)sysconf(_SC_MINSIGSTKSZ);
  fprintf(stderr, "FaultProbe: %zu bytes of the alternate stack used, %zu of them by the kernel at most\n",
          size - untouched, frame);
  // Unoptimised code uses many times as much.
#ifdef __OPTIMIZE__
  CHECK(size - untouched < frame + 2048);
#else
  CHECK(size - untouched < frame + 5 * page_bytes);
#endif
  return 0;
}

/// A handler installed after joining, as documented: forward first.
static const struct probe_callbacks *late_joined;
static void late_handler(int signal, siginfo_t *info, void *context) {
  if (late_joined->forward(signal, info, context)) return;
  handler_mask = current_mask();
  info_handler(signal, info, context);
}

static int late(const struct probe_views *v, const struct probe_callbacks *j) {
  late_joined = j;
  before_info();
  use_action((void *)late_handler, SA_SIGINFO, 0);
  poke(v->writable, 1);
  CHECK(v->frames[0] == 1 && handler_calls == 0 && j->faults_served() == 1 && current_mask() == 0);
  CHECK(ESCAPES(peek((char *)0x10)));
  CHECK(handler_calls == 1);
  // What is not ours goes on in the application's handler, with the mask that this has.
  CHECK(handler_mask == (uint64_t)1 << (SIGSEGV - 1));
  CHECK(ESCAPES(raise(SIGSEGV)));
  CHECK(handler_calls == 2 && handler_code <= 0);
  return 0;
}

/// A handler installed after joining that calls the one it replaced, which is ours, and survives finalize.
static struct sigaction replaced;
static void chaining_handler(int signal, siginfo_t *info, void *context) {
  handler_calls++;
  replaced.sa_sigaction(signal, info, context);
}

static int chained(const struct probe_views *v, const struct probe_callbacks *j) {
  sigaction(SIGSEGV, NULL, &replaced);
  use_action((void *)chaining_handler, SA_SIGINFO, 0);
  poke(v->writable, 1);
  CHECK(v->frames[0] == 1 && handler_calls == 1 && j->faults_served() == 1);
  CHECK(j->uninstall() == 0); // cannot be taken out: it is beneath
  CHECK(ESCAPES(poke(v->writable + page_bytes, 1)));
  CHECK(handler_calls == 3 && j->faults_served() == 1); // chaining_handler and info_handler
  CHECK(j->install() == 0);
  poke(v->writable + page_bytes, 1);
  CHECK(v->frames[page_bytes] == 1 && j->faults_served() == 2);
  CHECK(ESCAPES(peek((char *)0x10))); // the two do not pass it to each other for ever
  CHECK(handler_calls == 6 && j->faults_served() == 2);
  return 0;
}

static int forked(const struct probe_views *v, const struct probe_callbacks *j) {
  poke(v->writable, 1);
  CHECK(!j->is_forked_child());
  pid_t child = fork();
  if (child == 0) {
    if (!j->is_forked_child()) _exit(9);
    if (fork() == 0) _exit(j->is_forked_child() ? 0 : 1); // a grandchild as well
    int status = 0;
    wait(&status);
    if (status != 0) _exit(8);
    poke(v->writable, 2);
    _exit(7);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  CHECK(v->frames[0] == 1 && !j->is_forked_child());
  poke(v->writable + page_bytes, 1);
  CHECK(v->frames[page_bytes] == 1);
  return 0;
}

/// Other signals wait while a fault is served, and come afterwards.
static int interrupted(const struct probe_views *v, const struct probe_callbacks *j) {
  struct sigaction action = {.sa_handler = count_alarm};
  sigaction(SIGUSR1, &action, NULL);
  for (size_t at = 0; at < v->bytes; at += page_bytes) {
    if (at / page_bytes % 16 == 0) raise(SIGUSR1);
    poke(v->writable + at, 1);
    CHECK(current_mask() == 0);
  }
  CHECK(alarms == (int)(v->bytes / page_bytes / 16) && j->faults_served() == (long)(v->bytes / page_bytes));
  return 0;
}

const struct scenario view_scenarios[] = {
    {"served", NULL, served},
    {"readonly", before_info, readonly},
    {"not-curable", before_info, not_curable},
    {"threads", NULL, threads},
    {"alternate-stack", NULL, alternate_stack},
    {"late", NULL, late},
    {"chained", before_info, chained},
    {"forked", NULL, forked},
    {"interrupted", NULL, interrupted},
    {NULL, NULL, NULL},
};
