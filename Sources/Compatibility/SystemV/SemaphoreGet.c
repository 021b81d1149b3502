/* semget(2) */
#include <string.h>

#include "SemaphoreSets.h"

static int failed(int error) {
  errno = error;
  return -1;
}

static int existing(const struct set *set, int count, int flags) {
  unsigned mode = (unsigned)flags & 0777, wanted = (mode | mode << 3 | mode << 6) & 0700;
  if ((flags & IPC_CREAT) && (flags & IPC_EXCL)) return failed(EEXIST);
  if (count > (int)set->count) return failed(EINVAL);
  if (!sysv_set_allows(set, wanted)) return failed(EACCES);
  return sysv_set_identifier(set);
}

/* With the table locked. */
static int make(struct set *set, key_t key, int count, int flags) {
  size_t bytes = sizeof *set->state + (size_t)count * sizeof set->state->semaphores[0];
  struct set_state *state = merino_aligned_alloc(4096, bytes);
  if (state == NULL) return sysv_failed("semget", ENOMEM);
  memset(state, 0, bytes);
  if ((set->lock == 0 && merino_lock_create(&set->lock) != MERINO_SUCCESS) ||
      (set->changed == 0 && merino_cond_create(&set->changed) != MERINO_SUCCESS)) {
    sysv_failed("semget", ENOSPC);
    merino_free(state);
    errno = ENOSPC;
    return -1;
  }
  /* A thread that met an earlier set of this place may be looking at it. */
  sysv_inside_begin();
  if (merino_lock_acquire(set->lock) != MERINO_SUCCESS) sysv_end("semget");
  set->state = state;
  set->sequence++;
  set->made = time(NULL);
  set->key = key;
  set->count = (uint32_t)count;
  set->mode = (unsigned)flags & 0777;
  set->user = set->creating_user = geteuid();
  set->group = set->creating_group = getegid();
  int identifier = sysv_set_identifier(set);
  sysv_set_leave(set, 0);
  return identifier;
}

static int get(key_t key, int count, int flags) {
  struct set *sets = sysv_sets(), *unused = NULL;
  for (int i = 0; i < SETS; i++) {
    struct set *set = &sets[i];
    /* Places are taken from the beginning: behind one that never was there is nothing. */
    if (set->state == NULL && unused == NULL) unused = set;
    if (set->lock == 0) break;
    if (set->state != NULL && key != IPC_PRIVATE && set->key == key) return existing(set, count, flags);
  }
  if (key != IPC_PRIVATE && !(flags & IPC_CREAT)) return failed(ENOENT);
  if (count <= 0 || count > SET_SEMAPHORES) return failed(EINVAL);
  if (unused == NULL) return failed(ENOSPC);
  return make(unused, key, count, flags);
}

SYSV_EXPORT int semget(key_t key, int count, int flags) {
  if (!sysv_is_in_job()) return real()->semget(key, count, flags);
  if (sysv_join() != 0) return -1;
  if (count < 0 || count > SET_SEMAPHORES) return failed(EINVAL);
  sysv_sets_lock();
  int identifier = get(key, count, flags), error = errno;
  sysv_sets_unlock();
  errno = error;
  return identifier;
}
