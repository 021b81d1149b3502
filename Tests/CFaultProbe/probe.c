#define _GNU_SOURCE
#include "probe.h"

#include <sys/resource.h>
#include <sys/syscall.h>

sigjmp_buf escape;
volatile int handler_calls;
volatile int handler_signal, handler_code;
void *volatile handler_address;
uint64_t handler_mask;

void use_action(void *handler, int flags, int masked_signal) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_flags = flags;
  sigemptyset(&action.sa_mask);
  if (masked_signal) sigaddset(&action.sa_mask, masked_signal);
  if (flags & SA_SIGINFO) {
    action.sa_sigaction = (void (*)(int, siginfo_t *, void *))handler;
  } else {
    action.sa_handler = (void (*)(int))handler;
  }
  sigaction(SIGSEGV, &action, NULL);
}

uint64_t current_mask(void) {
  uint64_t mask = 0;
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof mask);
  return mask;
}

__attribute__((noinline)) char peek(volatile char *at) { return *at; }
__attribute__((noinline)) void poke(volatile char *at, char value) { *at = value; }

static const struct scenario *find(const char *name) {
  const struct scenario *tables[] = {previous_action_scenarios, view_scenarios};
  for (int i = 0; i < 2; i++) {
    for (const struct scenario *s = tables[i]; s->name; s++) {
      if (strcmp(s->name, name) == 0) return s;
    }
  }
  return NULL;
}

int probe_before(const char *name) {
  const struct scenario *scenario = find(name);
  if (!scenario) return -1;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL); // whatever the thread that started this process blocks
  alarm(60); // a scenario that hangs ends, whatever becomes of the test that waits for it
  struct rlimit cores = {0, 0};
  getrlimit(RLIMIT_CORE, &cores);
  rlim_t wanted = strcmp(name, "null") == 0 ? 64u << 20 : 0;
  cores.rlim_cur = wanted < cores.rlim_max ? wanted : cores.rlim_max;
  setrlimit(RLIMIT_CORE, &cores);
  signal(SIGSEGV, SIG_DFL); // the dynamic Swift runtime has a handler of its own
  if (scenario->before) scenario->before();
  return 0;
}

int probe_after(const char *name, const struct probe_views *views, const struct probe_callbacks *joined) {
  return find(name)->after(views, joined);
}
