#define _GNU_SOURCE
#include "CFaultHandler.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef SEGV_ACCERR
#define SEGV_ACCERR 2
#endif
#ifndef SEGV_MAPERR
#define SEGV_MAPERR 1
#endif
#define CODE_MTE_ASYNCHRONOUS 8 /* SEGV_MTEAERR: reported later, does not repeat */
#define NSIG_BYTES 8            /* the kernel's sigset_t */

// The action before ours. Written by cfault_install while our handler is not in place (or does not forward),
// except that SA_RESETHAND resets `previous_handler`: an atomic word, exchanged, so that only one thread runs
// it.
static struct sigaction previous;
static _Atomic(uintptr_t) previous_handler;
static cfault_entry installed_entry;
static _Atomic(int) active;
static _Atomic(int) forked_child;
static int left_in_place;
static int fork_hook_registered;
// 1 in this process, 0 in whatever is made from it by fork(), also by a clone(2) that glibc's hooks do not
// see: the kernel gives a child this page as zeros. NULL before Linux 4.14, where the hook alone tells.
static _Atomic(int) *alive;

uint64_t cfault_address(const void *info) { return (uint64_t)(uintptr_t)((const siginfo_t *)info)->si_addr; }

#if defined(__x86_64__)
// Bit 1: write. Bit 4: instruction fetch, which no view allows.
static int access_of(const ucontext_t *context) {
  greg_t error = context->uc_mcontext.gregs[REG_ERR];
  if (error & 0x10) return CFAULT_NONE;
  return error & 0x2 ? CFAULT_WRITE : CFAULT_READ;
}
#elif defined(__aarch64__)
struct record {
  uint32_t magic;
  uint32_t size;
};
// The kernel's exception syndrome is one of the records behind the registers.
static int access_of(const ucontext_t *context) {
  const uint32_t esr_magic = 0x45535201u;
  const char *at = (const char *)context->uc_mcontext.__reserved;
  const char *end = at + sizeof context->uc_mcontext.__reserved;
  while (at + sizeof(struct record) + sizeof(uint64_t) <= end) {
    struct record record;
    memcpy(&record, at, sizeof record);
    if (record.magic == 0 || record.size < sizeof record) break;
    if (record.magic == esr_magic) {
      uint64_t syndrome;
      memcpy(&syndrome, at + sizeof record, sizeof syndrome);
      uint64_t class = syndrome >> 26 & 0x3f;
      if (class != 0x24 && class != 0x25) return CFAULT_NONE; /* not a data abort */
      // WnR is set for cache maintenance too, which needs read access only.
      return (syndrome & (1u << 6)) && !(syndrome & (1u << 8)) ? CFAULT_WRITE : CFAULT_READ;
    }
    at += record.size;
  }
  return CFAULT_NONE;
}
#else
#error "Merino knows the faults of x86_64 and aarch64 only"
#endif

int cfault_access(const void *info, const void *context) {
  // Views are always mapped: SEGV_MAPERR inside one means that somebody unmapped it, and that no
  // protection cures. Sent signals have codes <= 0, protection keys and general protection codes of their
  // own.
  const siginfo_t *signal = info;
  if (signal->si_signo != SIGSEGV || signal->si_code != SEGV_ACCERR) return CFAULT_NONE;
  return access_of((const ucontext_t *)context);
}

int cfault_is_missing(const void *info) {
  const siginfo_t *signal = info;
  return signal->si_signo == SIGSEGV && signal->si_code == SEGV_MAPERR;
}

static void mark_child(void) {
  if (active) forked_child = 1;
  active = 0;
}

static void mark_alive(void) {
  if (!alive) {
    void *page = mmap(NULL, sizeof *alive, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return;
    if (madvise(page, sizeof *alive, MADV_WIPEONFORK) != 0) {
      munmap(page, sizeof *alive);
      return;
    }
    alive = page;
  }
  *alive = 1;
}

static int is_ours(const struct sigaction *action) {
  return (action->sa_flags & SA_SIGINFO) &&
         (cfault_entry)(void (*)(void))action->sa_sigaction == installed_entry;
}

// A stack on which the handler certainly has room: with the frame that the kernel writes (11 KiB with AMX)
// and the engine's calls, which in a debug build take several times as much.
#define HANDLER_STACK_BYTES (256u << 10)

static stack_t stack_before;
static void *larger_stack;

// The thread that joins is as a rule the main one, to which the Swift runtime's backtracer gives an alternate
// stack of its own, too small for a debug build's handler. Threads that announce alternate stacks themselves
// make them 64 KiB at least; that is documented.
static void enlarge_alternate_stack(void) {
  stack_t current;
  if (larger_stack || sigaltstack(NULL, &current) != 0) return;
  if (current.ss_flags & (SS_DISABLE | SS_ONSTACK) || current.ss_size >= HANDLER_STACK_BYTES) return;
  void *memory = mmap(NULL, HANDLER_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  stack_t larger = {.ss_sp = memory, .ss_size = HANDLER_STACK_BYTES};
  if (sigaltstack(&larger, NULL) != 0) {
    munmap(memory, HANDLER_STACK_BYTES);
    return;
  }
  stack_before = current;
  larger_stack = memory;
}

// Only where the stack is still ours and this is the thread that has it.
static void restore_alternate_stack(void) {
  stack_t current;
  if (!larger_stack || sigaltstack(NULL, &current) != 0) return;
  if (current.ss_sp != larger_stack || (current.ss_flags & SS_ONSTACK)) return;
  if (sigaltstack(&stack_before, NULL) != 0) return;
  munmap(larger_stack, HANDLER_STACK_BYTES);
  larger_stack = NULL;
}

int cfault_install(cfault_entry entry) {
  struct sigaction current;
  if (sigaction(SIGSEGV, NULL, &current) != 0) return errno;
  if (!fork_hook_registered) {
    int code = pthread_atfork(NULL, NULL, mark_child);
    if (code != 0) return code;
    fork_hook_registered = 1;
  }
  forked_child = 0;
  mark_alive();
  // Ours is still called by a handler that was put over it: it forwards to us, so it must not become our
  // previous one, or the two would pass a fault to each other for ever.
  if (left_in_place) {
    active = 1;
    return 0;
  }
  previous = current;
  previous_handler = (uintptr_t)(current.sa_flags & SA_SIGINFO ? (void *)current.sa_sigaction
                                                               : (void *)current.sa_handler);
  installed_entry = entry;
  active = 1;
  enlarge_alternate_stack();

  struct sigaction ours;
  memset(&ours, 0, sizeof ours);
  ours.sa_sigaction = (void (*)(int, siginfo_t *, void *))(void (*)(void))entry;
  // All signals, those that glibc keeps to itself included: nothing may run while a page's lock bit is held.
  memset(&ours.sa_mask, 0xff, sizeof ours.sa_mask);
  // SA_ONSTACK: threads whose own stack is small (goroutines, coroutines) announce another one; without
  // that announcement it changes nothing. SA_RESTART as before, for SIGSEGV sent during a system call.
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (current.sa_flags & SA_RESTART);
  if (!(current.sa_flags & SA_SIGINFO) && current.sa_handler == SIG_IGN) ours.sa_flags |= SA_RESTART;
  if (sigaction(SIGSEGV, &ours, NULL) != 0) {
    active = 0;
    return errno;
  }
  return 0;
}

int cfault_uninstall(void) {
  active = 0;
  struct sigaction current;
  if (sigaction(SIGSEGV, NULL, &current) != 0 || !is_ours(&current)) {
    left_in_place = 1;
    return 0;
  }
  struct sigaction before = previous;
  // A handler with SA_RESETHAND that has run would have left the default behind.
  if (previous_handler == (uintptr_t)SIG_DFL) {
    before.sa_flags &= ~SA_SIGINFO;
    before.sa_handler = SIG_DFL;
  }
  sigaction(SIGSEGV, &before, NULL);
  restore_alternate_stack();
  left_in_place = 0;
  return 1;
}

int cfault_is_active(void) { return active && !cfault_is_forked_child(); }

int cfault_is_forked_child(void) { return forked_child || (active && alive && *alive == 0); }

// Whether the fault comes again when the handler returns, as the instruction is executed again.
static int repeats(const siginfo_t *info) {
  return info->si_code > 0 && info->si_code != CODE_MTE_ASYNCHRONOUS;
}

// The default action, with the true address and code in the core: the instruction faults again, or the
// signal that was sent is queued again, as it was, to be delivered when this handler returns.
static void default_action(int signal, siginfo_t *info) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  sigaction(signal, &action, NULL);
  if (!repeats(info)) syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), signal, info);
}

// The mask that the kernel would have given the handler: that of the interrupted code, the action's own, and
// the signal itself unless SA_NODEFER.
static void enter_mask(int signal, const ucontext_t *context) {
  uint64_t mask, own;
  memcpy(&mask, &context->uc_sigmask, NSIG_BYTES);
  memcpy(&own, &previous.sa_mask, NSIG_BYTES);
  mask |= own;
  if (!(previous.sa_flags & SA_NODEFER)) mask |= (uint64_t)1 << (signal - 1);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, NSIG_BYTES);
}

void cfault_forward(int signal, void *info, void *context) {
  uintptr_t handler = previous_handler;
  if (handler > (uintptr_t)SIG_IGN && (previous.sa_flags & SA_RESETHAND)) {
    handler = atomic_exchange(&previous_handler, (uintptr_t)SIG_DFL);
  }
  // The kernel lets nobody ignore a fault: it ends the process.
  if (handler == (uintptr_t)SIG_DFL || (handler == (uintptr_t)SIG_IGN && repeats(info))) {
    default_action(signal, info);
    return;
  }
  if (handler == (uintptr_t)SIG_IGN) return;
  enter_mask(signal, context);
  // The kernel's sigreturn restores the interrupted mask when ours returns.
  if (previous.sa_flags & SA_SIGINFO) {
    ((void (*)(int, siginfo_t *, void *))handler)(signal, info, context);
  } else {
    ((void (*)(int))handler)(signal);
  }
}
