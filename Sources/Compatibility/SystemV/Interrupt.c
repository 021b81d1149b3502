#include "Interrupt.h"

/* Ten milliseconds: what a program waits for its handler to be noticed. */
#define SLICE 10000000u

/* The program's action for each signal, and the ones before: a handler may be reading it while another is
 * set. No memory is asked for, since handlers set handlers. */
#define SLOTS 8
static struct sigaction slots[_NSIG][SLOTS];
static struct sigaction *actions[_NSIG];
static unsigned next_slot[_NSIG];
static int has_handlers;
/* Initial-exec: the first access of another kind may allocate, which a handler must not. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct sysv_interruptions counted;

struct sysv_interruptions sysv_interruptions(void) { return counted; }

uint64_t sysv_slice(const uint64_t *limit) {
  if (!__atomic_load_n(&has_handlers, __ATOMIC_ACQUIRE)) return limit == NULL ? 0 : *limit;
  return limit == NULL || *limit > SLICE ? SLICE : *limit;
}

struct sysv_held sysv_signals_hold(void) {
  struct sysv_held held = {.is_held = __atomic_load_n(&has_handlers, __ATOMIC_ACQUIRE)};
  if (!held.is_held) return held;
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
  sigset_t all;
  sigfillset(&all);
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&all, faults[i]);
  real()->pthread_sigmask(SIG_BLOCK, &all, &held.before);
  return held;
}

void sysv_signals_let(const struct sysv_held *held) {
  int before = errno;
  if (held->is_held) real()->pthread_sigmask(SIG_SETMASK, &held->before, NULL);
  errno = before;
}

static void on_signal(int number, siginfo_t *info, void *context) {
  const struct sigaction *action = __atomic_load_n(&actions[number], __ATOMIC_ACQUIRE);
  /* Taken back while the signal was on its way. */
  if (action == NULL) return;
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
      struct sigaction *kept =
          &slots[number][__atomic_fetch_add(&next_slot[number], 1, __ATOMIC_RELAXED) % SLOTS];
      *kept = *wanted;
      ours.sa_sigaction = on_signal;
      ours.sa_flags |= SA_SIGINFO;
      /* Before the kernel can call it. */
      __atomic_store_n(&actions[number], kept, __ATOMIC_RELEASE);
      __atomic_store_n(&has_handlers, 1, __ATOMIC_RELEASE);
    }
  }
  int result = real()->sigaction(number, wanted != NULL ? &ours : NULL, old);
  if (result == 0 && wanted != NULL && !is_handler(wanted))
    __atomic_store_n(&actions[number], NULL, __ATOMIC_RELEASE);
  if (result == 0 && old != NULL && (old->sa_flags & SA_SIGINFO) && old->sa_sigaction == on_signal &&
      before != NULL)
    *old = *before;
  return result;
}

const struct sigaction *sysv_handler_of(int number) {
  return __atomic_load_n(&actions[number], __ATOMIC_ACQUIRE);
}
