#include "Real.h"

/* Looked through at every call that could concern a view, changed rarely: readers take what they find if `changes` was
 * even and the same before and after. The lock is libc's: it is none of a segment's. */
#define MOST 4096

static struct {
  struct sysv_view views[MOST];
  uint32_t count, changes;
  pthread_mutex_t lock;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void begin_change(void) {
  real()->pthread_mutex_lock(&state.lock);
  __atomic_add_fetch(&state.changes, 1, __ATOMIC_SEQ_CST);
}

static void end_change(void) {
  __atomic_add_fetch(&state.changes, 1, __ATOMIC_SEQ_CST);
  real()->pthread_mutex_unlock(&state.lock);
}

int sysv_view_add(struct sysv_view view) {
  begin_change();
  int is_full = state.count == MOST;
  if (!is_full) {
    state.views[state.count] = view;
    __atomic_store_n(&state.count, state.count + 1, __ATOMIC_RELEASE);
  }
  end_change();
  return is_full ? -1 : 0;
}

void sysv_view_remove(uintptr_t start) {
  begin_change();
  for (uint32_t i = 0; i < state.count; i++) {
    if (state.views[i].start != start) continue;
    state.views[i] = state.views[state.count - 1];
    __atomic_store_n(&state.count, state.count - 1, __ATOMIC_RELEASE);
    break;
  }
  end_change();
}

int sysv_has_views(void) { return __atomic_load_n(&state.count, __ATOMIC_ACQUIRE) != 0; }

int sysv_view_find(const void *start, size_t bytes, struct sysv_view *view) {
  uintptr_t first = (uintptr_t)start;
  if (bytes == 0) return 0;
  for (;;) {
    uint32_t before = __atomic_load_n(&state.changes, __ATOMIC_ACQUIRE);
    int is_found = 0;
    uint32_t count = __atomic_load_n(&state.count, __ATOMIC_ACQUIRE);
    for (uint32_t i = 0; i < count && !is_found; i++) {
      /* Volatile: the view may change under our eyes, and is not used then. */
      const volatile struct sysv_view *each = &state.views[i];
      view->start = each->start;
      view->end = each->end;
      view->identifier = each->identifier;
      is_found = first < view->end && (bytes > view->start || first > view->start - bytes);
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (before % 2 == 0 && __atomic_load_n(&state.changes, __ATOMIC_RELAXED) == before) return is_found;
  }
}
