/* shmget(2) and its like: Merino's. */
#include <stdlib.h>

#include "Real.h"

/* What the kernel gives, for a reason that the program may expect, is not said aloud. */
static int failed(const char *what) {
  int error = errno;
  if (error == ENOENT || error == EEXIST || error == EACCES || error == EPERM || error == EINVAL) {
    if (sysv_is_node()) return -1;
  }
  return sysv_failed(what, error);
}

SYSV_EXPORT int shmget(key_t key, size_t bytes, int flags) {
  if (!sysv_is_in_job()) return real()->shmget(key, bytes, flags);
  if (sysv_join() != 0) return -1;
  int identifier = merino_shmget(key, bytes, flags);
  return identifier >= 0 ? identifier : failed("shmget");
}

SYSV_EXPORT void *shmat(int identifier, const void *address, int flags) {
  if (!sysv_is_in_job()) return real()->shmat(identifier, address, flags);
  if (sysv_join() != 0) return (void *)-1;
  struct shmid_ds description;
  void *start = merino_shmat(identifier, address, flags);
  if (start == (void *)-1 || merino_shmctl(identifier, IPC_STAT, &description) != 0) {
    /* It is described to whoever may read it, and everybody who attaches it may. */
    failed("shmat");
    return (void *)-1;
  }
  /* The view goes on to the end of its last page. */
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (uintptr_t)start + description.shm_segsz;
  struct sysv_view view = {(uintptr_t)start, (end + page - 1) / page * page, identifier};
  if (sysv_view_add(view) != 0) {
    merino_shmdt(start);
    errno = EMFILE;
    return (void *)-1;
  }
  return start;
}

SYSV_EXPORT int shmdt(const void *address) {
  struct sysv_view view;
  if (!sysv_view_find(address, 1, &view) || view.start != (uintptr_t)address) return real()->shmdt(address);
  sysv_objects_detach(view.start, view.end);
  sysv_view_remove(view.start);
  /* The child of a fork has not inherited it. */
  if (!sysv_is_node() || merino_shmdt(address) == 0) return 0;
  sysv_view_add(view);
  return failed("shmdt");
}

SYSV_EXPORT int shmctl(int identifier, int command, struct shmid_ds *buffer) {
  if (!sysv_is_in_job()) return real()->shmctl(identifier, command, buffer);
  if (sysv_join() != 0) return -1;
  int result = merino_shmctl(identifier, command, buffer);
  return result >= 0 ? result : failed("shmctl");
}

/* The kernel's key is made of numbers of the file that differ from host to host: here of its path. */
SYSV_EXPORT key_t ftok(const char *path, int project) {
  if (!sysv_is_in_job()) return real()->ftok(path, project);
  char *whole = realpath(path, NULL);
  if (whole == NULL) return -1;
  /* FNV-1a, of Fowler, Noll and Vo. */
  uint32_t hash = 2166136261u;
  for (const char *each = whole; *each != 0; each++) hash = (hash ^ (unsigned char)*each) * 16777619u;
  free(whole);
  return (key_t)(((uint32_t)project & 0xFF) << 24 | ((hash >> 24 ^ hash) & 0xFFFFFF));
}
