/* Page faults are Merino's: a program that handles SIGSEGV itself gets what is left, and one that blocks all signals does
 * not block this one, since the kernel ends a process whose page fault finds it blocked. */
#include <string.h>

#include "Interrupt.h"

static struct {
  struct sigaction action; /* the program's, for faults that are not Merino's */
  pthread_mutex_t lock;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void pass_on(int number, siginfo_t *info, void *context) {
  struct sigaction action = state.action;
  if (action.sa_flags & SA_RESETHAND) state.action = (struct sigaction){.sa_handler = SIG_DFL};
  if (!(action.sa_flags & SA_SIGINFO) && (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)) {
    /* The access is done again, and the process ends by it. */
    struct sigaction none = {.sa_handler = SIG_DFL};
    real()->sigaction(SIGSEGV, &none, NULL);
    return;
  }
  sigset_t mask = ((ucontext_t *)context)->uc_sigmask, before;
  sigorset(&mask, &mask, &action.sa_mask);
  real()->pthread_sigmask(SIG_SETMASK, &mask, &before);
  if (action.sa_flags & SA_SIGINFO) action.sa_sigaction(number, info, context);
  else action.sa_handler(number);
  real()->pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void on_fault(int number, siginfo_t *info, void *context) {
  int before = errno;
  if (!merino_handle_fault(number, info, context)) pass_on(number, info, context);
  errno = before;
}

/* The program's action is kept aside; the kernel's stays one that asks Merino first. */
static int take_fault_action(const struct sigaction *wanted, struct sigaction *old) {
  static int is_installed;
  real()->pthread_mutex_lock(&state.lock);
  struct sigaction before = state.action;
  int result = 0;
  if (wanted != NULL) {
    state.action = *wanted;
    if (!is_installed) {
      struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
      sigfillset(&ours.sa_mask);
      struct sigaction merinos;
      result = real()->sigaction(SIGSEGV, &ours, &merinos);
      is_installed = result == 0;
    }
  }
  if (old != NULL) *old = before;
  real()->pthread_mutex_unlock(&state.lock);
  return result;
}

/* What a call shall take for a set that would block page faults. Before joining, too: masks and handlers last. */
static const sigset_t *without_faults(int how, const sigset_t *set, sigset_t *copy) {
  if (set == NULL || how == SIG_UNBLOCK) return set;
  *copy = *set;
  sigdelset(copy, SIGSEGV);
  return copy;
}

static int concerns(const void *caller) { return sysv_is_in_job() && !sysv_is_ours(caller); }

SYSV_EXPORT int sigaction(int number, const struct sigaction *wanted, struct sigaction *old) {
  if (!concerns(CALLER)) return real()->sigaction(number, wanted, old);
  if (number == SIGSEGV && sysv_is_node()) return take_fault_action(wanted, old);
  return sysv_handler_set(number, wanted, old);
}

SYSV_EXPORT sighandler_t signal(int number, sighandler_t handler) {
  if (!concerns(CALLER)) return real()->signal(number, handler);
  struct sigaction wanted = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;
  int is_fault = number == SIGSEGV && sysv_is_node();
  int result = is_fault ? take_fault_action(&wanted, &old) : sysv_handler_set(number, &wanted, &old);
  return result == 0 ? old.sa_handler : SIG_ERR;
}

SYSV_EXPORT int sigprocmask(int how, const sigset_t *set, sigset_t *old) {
  sigset_t copy;
  if (concerns(CALLER)) set = without_faults(how, set, &copy);
  return real()->sigprocmask(how, set, old);
}

SYSV_EXPORT int pthread_sigmask(int how, const sigset_t *set, sigset_t *old) {
  sigset_t copy;
  if (concerns(CALLER)) set = without_faults(how, set, &copy);
  return real()->pthread_sigmask(how, set, old);
}
