#include "Interrupt.h"

#include <stdlib.h>

/* Ten milliseconds: what a program waits for its handler to be noticed. */
#define SLICE 10000000u

/* The program's action for each signal; replaced as a whole, since a handler may be reading it. Never freed, for the same
 * reason: programs set few. */
static struct sigaction *actions[_NSIG];
static int has_handlers;
/* Initial-exec: the first access of another kind may allocate, which a handler must not. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct sysv_interruptions counted;

struct sysv_interruptions sysv_interruptions(void) { return counted; }

uint64_t sysv_slice(const uint64_t *limit) {
  if (!__atomic_load_n(&has_handlers, __ATOMIC_ACQUIRE)) return limit == NULL ? 0 : *limit;
  return limit == NULL || *limit > SLICE ? SLICE : *limit;
}

static void on_signal(int number, siginfo_t *info, void *context) {
  const struct sigaction *action = __atomic_load_n(&actions[number], __ATOMIC_ACQUIRE);
  counted.all++;
  if (!(action->sa_flags & SA_RESTART)) counted.not_restarting++;
  if (action->sa_flags & SA_SIGINFO) action->sa_sigaction(number, info, context);
  else action->sa_handler(number);
}

static int is_handler(const struct sigaction *action) {
  return (action->sa_flags & SA_SIGINFO) || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

int sysv_handler_set(int number, const struct sigaction *wanted, struct sigaction *old) {
  if (number <= 0 || number >= _NSIG) return real()->sigaction(number, wanted, old);
  struct sigaction *before = __atomic_load_n(&actions[number], __ATOMIC_ACQUIRE), ours;
  if (wanted != NULL) {
    ours = *wanted;
    sigdelset(&ours.sa_mask, SIGSEGV);
    if (is_handler(wanted)) {
      struct sigaction *kept = malloc(sizeof *kept);
      if (kept == NULL) {
        errno = ENOMEM;
        return -1;
      }
      *kept = *wanted;
      ours.sa_sigaction = on_signal;
      ours.sa_flags |= SA_SIGINFO;
      /* Before the kernel can call it. */
      __atomic_store_n(&actions[number], kept, __ATOMIC_RELEASE);
      __atomic_store_n(&has_handlers, 1, __ATOMIC_RELEASE);
    }
  }
  int result = real()->sigaction(number, wanted != NULL ? &ours : NULL, old);
  if (result == 0 && old != NULL && (old->sa_flags & SA_SIGINFO) && old->sa_sigaction == on_signal) *old = *before;
  return result;
}
