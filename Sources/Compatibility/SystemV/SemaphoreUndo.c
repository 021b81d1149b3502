/* SEM_UNDO: what a process promised to take back at its end. A node that does not come to its end ends the
 * job. */
#include <stdlib.h>

#include "SemaphoreSets.h"

struct promise {
  int identifier, change;
  uint32_t number, epoch;
  struct promise *next;
};

static struct {
  pthread_mutex_t lock; /* libc's */
  struct promise *first;
} promises = {.lock = PTHREAD_MUTEX_INITIALIZER};

void sysv_undo_add(int identifier, uint32_t number, uint32_t epoch, int change) {
  real()->pthread_mutex_lock(&promises.lock);
  struct promise *promise = promises.first;
  while (promise != NULL && (promise->identifier != identifier || promise->number != number))
    promise = promise->next;
  if (promise == NULL) {
    promise = malloc(sizeof *promise);
    if (promise == NULL) {
      sysv_say("semop: no memory for what SEM_UNDO asks for");
      merino_abort(1);
    }
    *promise = (struct promise){identifier, 0, number, epoch, promises.first};
    promises.first = promise;
  }
  /* SETVAL has voided what was promised before. */
  if (promise->epoch != epoch) promise->change = 0;
  promise->epoch = epoch;
  promise->change += change;
  real()->pthread_mutex_unlock(&promises.lock);
}

static void keep(const struct promise *promise) {
  struct set *set = sysv_set_enter(promise->identifier, 0);
  /* Removed meanwhile. */
  if (set == NULL) return;
  struct set_semaphore *semaphore = &set->state->semaphores[promise->number];
  if (semaphore->epoch == promise->epoch) {
    int value = semaphore->value + promise->change;
    semaphore->value = value < 0 ? 0 : value > SET_VALUE ? SET_VALUE : value;
    semaphore->process = getpid();
  }
  sysv_set_leave(set, set->state->waiting > 0);
}

void sysv_semaphores_undo(void) {
  for (const struct promise *promise = promises.first; promise != NULL; promise = promise->next) {
    if (promise->change != 0) keep(promise);
  }
}
