/* Page faults are Merino's: a program that handles SIGSEGV itself gets what is left, and one that blocks all
 * signals does not block this one, since the kernel ends a process whose page fault finds it blocked. */
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "Interrupt.h"

/* The program's action for faults that are not Merino's, and the ones before it: a handler may be reading
 * it. */
enum { SLOTS = 8 };
static struct {
  struct sigaction slots[SLOTS];
  const struct sigaction *action; /* NULL: the default */
  unsigned next;
  pthread_mutex_t lock;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void keep(const struct sigaction *action) {
  struct sigaction *slot = &state.slots[state.next++ % SLOTS];
  *slot = *action;
  __atomic_store_n(&state.action, slot, __ATOMIC_RELEASE);
}

void sysv_fault_action_take(void) {
  const struct sigaction *action = sysv_handler_of(SIGSEGV);
  if (action != NULL) keep(action);
}

/* As if there were no handler: a signal that was sent comes again, and an access is done again. */
static void end_by_fault(const siginfo_t *info) {
  struct sigaction none = {.sa_handler = SIG_DFL};
  real()->sigaction(SIGSEGV, &none, NULL);
  if (info->si_code <= 0) syscall(SYS_tgkill, getpid(), gettid(), SIGSEGV);
}

static void pass_on(int number, siginfo_t *info, void *context) {
  const struct sigaction *found = __atomic_load_n(&state.action, __ATOMIC_ACQUIRE);
  struct sigaction action = found != NULL ? *found : (struct sigaction){.sa_handler = SIG_DFL};
  int is_plain = !(action.sa_flags & SA_SIGINFO);
  if (is_plain && action.sa_handler == SIG_IGN && info->si_code <= 0) return;
  if (is_plain && (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)) {
    end_by_fault(info);
    return;
  }
  if (action.sa_flags & SA_RESETHAND) __atomic_store_n(&state.action, NULL, __ATOMIC_RELEASE);
  sigset_t mask = ((ucontext_t *)context)->uc_sigmask, before;
  sigorset(&mask, &mask, &action.sa_mask);
  real()->pthread_sigmask(SIG_SETMASK, &mask, &before);
  if (is_plain) action.sa_handler(number);
  else action.sa_sigaction(number, info, context);
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
  int result = 0;
  real()->pthread_mutex_lock(&state.lock);
  struct sigaction before = state.action != NULL ? *state.action : (struct sigaction){.sa_handler = SIG_DFL};
  if (wanted != NULL) keep(wanted);
  if (wanted != NULL && !is_installed) {
    struct sigaction ours = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&ours.sa_mask);
    result = real()->sigaction(SIGSEGV, &ours, NULL);
    is_installed = result == 0;
  }
  real()->pthread_mutex_unlock(&state.lock);
  if (old != NULL) *old = before;
  return result;
}

/* What a call shall take for a set that would block page faults. Before joining, too: masks and handlers
 * last. */
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

static sighandler_t set_handler(int number, sighandler_t handler, int flags) {
  struct sigaction wanted = {.sa_handler = handler, .sa_flags = flags}, old;
  int is_fault = number == SIGSEGV && sysv_is_node();
  int result = is_fault ? take_fault_action(&wanted, &old) : sysv_handler_set(number, &wanted, &old);
  return result == 0 ? old.sa_handler : SIG_ERR;
}

SYSV_EXPORT sighandler_t signal(int number, sighandler_t handler) {
  return concerns(CALLER) ? set_handler(number, handler, SA_RESTART) : real()->signal(number, handler);
}

/* What `signal` is to programs that are compiled for the older System V. */
SYSV_EXPORT sighandler_t __sysv_signal(int number, sighandler_t handler) {
  return set_handler(number, handler, SA_RESETHAND | SA_NODEFER);
}

SYSV_EXPORT int sigsuspend(const sigset_t *set) {
  sigset_t copy;
  if (concerns(CALLER)) set = without_faults(SIG_SETMASK, set, &copy);
  return real()->sigsuspend(set);
}

/* ---- The stack of handlers: that of a page fault takes more than the few kilobytes that programs give it */

enum { LEAST_STACK = 128 * 1024 };

static _Thread_local struct {
  stack_t programs; /* what the program has set; .ss_sp is NULL where ours is not in its place */
  void *ours;       /* goes with the process: few threads have one */
} stacks;

static int take_small_stack(const stack_t *wanted, stack_t *old) {
  if (stacks.ours == NULL) {
    void *memory =
        mmap(NULL, LEAST_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return -1;
    stacks.ours = memory;
  }
  stack_t larger = {.ss_sp = stacks.ours, .ss_flags = wanted->ss_flags, .ss_size = LEAST_STACK};
  int result = real()->sigaltstack(&larger, old);
  if (result == 0) stacks.programs = *wanted;
  return result;
}

SYSV_EXPORT int sigaltstack(const stack_t *wanted, stack_t *old) {
  if (!concerns(CALLER)) return real()->sigaltstack(wanted, old);
  stack_t before = stacks.programs, found;
  /* Below 2 KiB the kernel refuses it. (MINSIGSTKSZ is what the registers of this processor take, and may be
   * more.) */
  int is_small = wanted != NULL && !(wanted->ss_flags & SS_DISABLE) && wanted->ss_size >= 2048 &&
                 wanted->ss_size < LEAST_STACK;
  int result = is_small ? take_small_stack(wanted, &found) : real()->sigaltstack(wanted, &found);
  if (result != 0) return result;
  if (wanted != NULL && !is_small) stacks.programs.ss_sp = NULL;
  if (old == NULL) return 0;
  *old = found;
  if (before.ss_sp != NULL && found.ss_sp == stacks.ours) {
    old->ss_sp = before.ss_sp;
    old->ss_size = before.ss_size;
  }
  return 0;
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
