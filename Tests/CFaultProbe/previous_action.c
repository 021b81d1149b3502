// Faults that are not Merino's: what the action installed before joining sees of them.
#define _GNU_SOURCE
#include "probe.h"

#include <sys/mman.h>

static uint64_t bit(int signal) { return (uint64_t)1 << (signal - 1); }

static void note(int signal) {
  handler_signal = signal;
  handler_calls++;
  handler_mask = current_mask();
}

static void info_handler(int signal, siginfo_t *info, void *context) {
  (void)context;
  note(signal);
  handler_code = info->si_code;
  handler_address = info->si_addr;
  siglongjmp(escape, 1);
}

static void plain_handler(int signal) {
  note(signal);
  siglongjmp(escape, 1);
}

static char *const bad = (char *)0x10;

/// Views are served as before, whatever happened.
static int views_work(const struct probe_views *views, const struct probe_callbacks *joined) {
  static size_t page;
  long served = joined->faults_served();
  page += 4096;
  poke(views->writable + page, 7);
  CHECK(views->frames[page] == 7);
  CHECK(joined->faults_served() == served + 1);
  return 0;
}

static int null_fault(const struct probe_views *v, const struct probe_callbacks *j) {
  if (views_work(v, j)) return 1;
  peek(bad);
  return 2;
}

static int non_canonical(const struct probe_views *v, const struct probe_callbacks *j) {
  (void)v, (void)j;
  peek((char *)0x8000000000000000u);
  return 2;
}

static int sent(const struct probe_views *v, const struct probe_callbacks *j) {
  if (views_work(v, j)) return 1;
  kill(getpid(), SIGSEGV);
  return 2;
}

static void before_ignored(void) { signal(SIGSEGV, SIG_IGN); }

static int ignored_sent(const struct probe_views *v, const struct probe_callbacks *j) {
  kill(getpid(), SIGSEGV);
  raise(SIGSEGV);
  return views_work(v, j);
}

static void before_info(void) { use_action((void *)info_handler, SA_SIGINFO, SIGUSR1); }

static int info(const struct probe_views *v, const struct probe_callbacks *j) {
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR2);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  for (int turn = 1; turn <= 3; turn++) {
    CHECK(ESCAPES(peek(bad)));
    CHECK(handler_calls == turn && handler_signal == SIGSEGV);
    CHECK(handler_address == bad && handler_code == SEGV_MAPERR);
    CHECK(handler_mask == (bit(SIGUSR1) | bit(SIGUSR2) | bit(SIGSEGV)));
    CHECK(current_mask() == bit(SIGUSR2));
    if (views_work(v, j)) return 1;
  }
  CHECK(ESCAPES(raise(SIGSEGV)));
  CHECK(handler_calls == 4 && handler_code <= 0);
  return 0;
}

static void before_plain(void) { use_action((void *)plain_handler, 0, 0); }

static int plain(const struct probe_views *v, const struct probe_callbacks *j) {
  CHECK(ESCAPES(poke(bad, 1)));
  CHECK(handler_calls == 1 && handler_signal == SIGSEGV && handler_mask == bit(SIGSEGV));
  return views_work(v, j);
}

static void nested_handler(int signal) {
  note(signal);
  if (handler_calls == 1) peek(bad);
  siglongjmp(escape, 1);
}

static void before_nodefer(void) { use_action((void *)nested_handler, SA_NODEFER, 0); }

static int nodefer(const struct probe_views *v, const struct probe_callbacks *j) {
  CHECK(ESCAPES(peek(bad)));
  CHECK(handler_calls == 2 && handler_mask == 0);
  return views_work(v, j);
}

static void before_resethand(void) { use_action((void *)plain_handler, SA_RESETHAND, 0); }

static int resethand(const struct probe_views *v, const struct probe_callbacks *j) {
  CHECK(ESCAPES(peek(bad)));
  CHECK(handler_calls == 1);
  if (views_work(v, j)) return 1;
  (void)ESCAPES(peek(bad));
  return 2;
}

/// A guard page of the application's own, which its handler opens by returning.
static char *guard;

static void opening_handler(int signal, siginfo_t *info, void *context) {
  (void)context;
  note(signal);
  if (info->si_addr != guard) _exit(3);
  mprotect(guard, 4096, PROT_READ | PROT_WRITE);
}

static void before_returning(void) { use_action((void *)opening_handler, SA_SIGINFO, 0); }

static int returning(const struct probe_views *v, const struct probe_callbacks *j) {
  guard = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  poke(guard, 5);
  CHECK(guard[0] == 5 && handler_calls == 1 && current_mask() == 0);
  return views_work(v, j);
}

static int restored(const struct probe_views *v, const struct probe_callbacks *j) {
  if (views_work(v, j)) return 1;
  CHECK(j->uninstall() == 1);
  struct sigaction now;
  sigaction(SIGSEGV, NULL, &now);
  CHECK(now.sa_sigaction == info_handler && (now.sa_flags & ~0x04000000) == SA_SIGINFO);
  CHECK(sigismember(&now.sa_mask, SIGUSR1) == 1 && sigismember(&now.sa_mask, SIGUSR2) == 0);
  CHECK(ESCAPES(peek(v->writable + v->bytes - 1)));
  CHECK(handler_code == SEGV_ACCERR);
  CHECK(j->install() == 0);
  return views_work(v, j);
}

const struct scenario previous_action_scenarios[] = {
    {"null", NULL, null_fault},
    {"non-canonical", NULL, non_canonical},
    {"sent", NULL, sent},
    {"ignored-fault", before_ignored, null_fault},
    {"ignored-sent", before_ignored, ignored_sent},
    {"info", before_info, info},
    {"plain", before_plain, plain},
    {"nodefer", before_nodefer, nodefer},
    {"resethand", before_resethand, resethand},
    {"returning", before_returning, returning},
    {"restored", before_info, restored},
    {NULL, NULL, NULL},
};
