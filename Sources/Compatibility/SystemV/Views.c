#include "Real.h"

/* Looked through at every call that could concern a view, changed rarely: readers take what they find if
 * `changes` was even and the same before and after. The lock is libc's: it is none of a segment's. */
#define MOST 4096

static struct {
  struct sysv_view views[MOST];
  uint32_t count, changes;
  uintptr_t lowest, highest; /* all that were ever attached lie between */
  pthread_mutex_t lock;
} state = {.lowest = UINTPTR_MAX, .lock = PTHREAD_MUTEX_INITIALIZER};

/* Signals are blocked: a handler that looks in the middle of a change would never see the end of it. */
static sigset_t begin_change(void) {
  sigset_t all, before;
  sigfillset(&all);
  real()->pthread_sigmask(SIG_BLOCK, &all, &before);
  real()->pthread_mutex_lock(&state.lock);
  __atomic_add_fetch(&state.changes, 1, __ATOMIC_SEQ_CST);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  return before;
}

static void end_change(const sigset_t *before) {
  __atomic_add_fetch(&state.changes, 1, __ATOMIC_SEQ_CST);
  real()->pthread_mutex_unlock(&state.lock);
  real()->pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* At a fork another thread may have been in the middle of a change, which the child never sees the end of. */
static void in_child(void) {
  state.changes &= ~1u;
  pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
  state.lock = fresh;
}

__attribute__((constructor)) static void at_load(void) { pthread_atfork(NULL, NULL, in_child); }

int sysv_view_add(struct sysv_view view) {
  sigset_t before = begin_change();
  int is_full = state.count == MOST;
  if (!is_full) {
    if (view.start < state.lowest) __atomic_store_n(&state.lowest, view.start, __ATOMIC_RELAXED);
    if (view.end > state.highest) __atomic_store_n(&state.highest, view.end, __ATOMIC_RELAXED);
    state.views[state.count] = view;
    __atomic_store_n(&state.count, state.count + 1, __ATOMIC_RELEASE);
  }
  end_change(&before);
  return is_full ? -1 : 0;
}

void sysv_view_remove(uintptr_t start) {
  sigset_t before = begin_change();
  for (uint32_t i = 0; i < state.count; i++) {
    if (state.views[i].start != start) continue;
    state.views[i] = state.views[state.count - 1];
    __atomic_store_n(&state.count, state.count - 1, __ATOMIC_RELEASE);
    break;
  }
  end_change(&before);
}

int sysv_has_views(void) { return __atomic_load_n(&state.count, __ATOMIC_ACQUIRE) != 0; }

/* The lowest of those that [first, first + bytes) overlaps. */
static int look(uintptr_t first, size_t bytes, struct sysv_view *view) {
  int is_found = 0;
  uint32_t count = __atomic_load_n(&state.count, __ATOMIC_ACQUIRE);
  for (uint32_t i = 0; i < count; i++) {
    /* Volatile: the view may change under our eyes, and is not used then. */
    const volatile struct sysv_view *each = &state.views[i];
    struct sysv_view seen = {each->start, each->end, each->identifier};
    if (first >= seen.end || (seen.start > first && seen.start - first >= bytes)) continue;
    if (!is_found || seen.start < view->start) *view = seen;
    is_found = 1;
  }
  return is_found;
}

int sysv_view_find(const void *start, size_t bytes, struct sysv_view *view) {
  uintptr_t first = (uintptr_t)start;
  if (bytes == 0 || first >= __atomic_load_n(&state.highest, __ATOMIC_RELAXED)) return 0;
  if (first < __atomic_load_n(&state.lowest, __ATOMIC_RELAXED) &&
      bytes <= __atomic_load_n(&state.lowest, __ATOMIC_RELAXED) - first)
    return 0;
  for (;;) {
    uint32_t before = __atomic_load_n(&state.changes, __ATOMIC_ACQUIRE);
    int is_found = look(first, bytes, view);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (before % 2 == 0 && __atomic_load_n(&state.changes, __ATOMIC_RELAXED) == before) return is_found;
  }
}
