/* semop(2): all operations of a call at once, or none. */
#include <string.h>

#include "Cancellation.h"
#include "Interrupt.h"
#include "SemaphoreSets.h"

static int failed(int error) {
  errno = error;
  return -1;
}

/* Tries them. 0: done; EAGAIN: one of them has to wait, `*blocked`; ERANGE. Changes nothing unless it is
 * done. */
static int try_all(struct set *set, const struct sembuf *operations, size_t count,
                   const struct sembuf **blocked) {
  size_t done = 0;
  int error = 0;
  for (; done < count && error == 0; done++) {
    struct set_semaphore *semaphore = &set->state->semaphores[operations[done].sem_num];
    int change = operations[done].sem_op;
    *blocked = &operations[done];
    if (change == 0 ? semaphore->value != 0 : semaphore->value + change < 0) error = EAGAIN;
    else if (semaphore->value + change > SET_VALUE) error = ERANGE;
    else semaphore->value += change;
  }
  if (error == 0) return 0;
  /* The last one did nothing. */
  for (done--; done > 0; done--)
    set->state->semaphores[operations[done - 1].sem_num].value -= operations[done - 1].sem_op;
  return error;
}

/* Nanoseconds until `due` on the clock that only goes on; NULL where there is no limit. */
static const uint64_t *time_left(const uint64_t *due, uint64_t *left) {
  struct timespec now;
  if (due == NULL) return NULL;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t passed = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
  *left = passed < *due ? *due - passed : 0;
  return left;
}

/* Waits until something may have changed. 0; EAGAIN after the limit; EIDRM. */
static int wait_for_change(struct set *set, int identifier, const struct sembuf *blocked,
                           const uint64_t *due) {
  struct set_semaphore *semaphore = &set->state->semaphores[blocked->sem_num];
  uint32_t *count = blocked->sem_op == 0 ? &semaphore->falling : &semaphore->raising;
  uint64_t left;
  const uint64_t *limit = time_left(due, &left);
  if (limit != NULL && left == 0) return EAGAIN;
  uint64_t slice = sysv_slice(limit);
  (*count)++;
  set->state->waiting++;
  int result = slice == 0 ? merino_cond_wait(set->changed, set->lock)
                          : merino_cond_wait_within(set->changed, set->lock, slice);
  if (result != MERINO_SUCCESS && result != MERINO_ETIMEDOUT) sysv_end("semop");
  if (!sysv_set_is_there(set, identifier)) return EIDRM;
  set->state->waiting--;
  (*count)--;
  return 0;
}

static int net_change(const struct sembuf *operations, size_t count, unsigned number) {
  int net = 0;
  for (size_t i = 0; i < count; i++) net += operations[i].sem_num == number ? operations[i].sem_op : 0;
  return net;
}

/* The change is made: who made it, when, and what is to be taken back. Whether it concerns somebody who
 * waits. */
static int finish(struct set *set, int identifier, const struct sembuf *operations, size_t count) {
  int wakes = 0;
  set->state->operated = time(NULL);
  for (size_t i = 0; i < count; i++) {
    struct set_semaphore *semaphore = &set->state->semaphores[operations[i].sem_num];
    int net = net_change(operations, count, operations[i].sem_num);
    semaphore->process = getpid();
    /* Who waits for zero may first take some itself: any value below could be what it waits for. */
    wakes |= (net > 0 && semaphore->raising > 0) || (net < 0 && semaphore->falling > 0);
    if ((operations[i].sem_flg & SEM_UNDO) && operations[i].sem_op != 0)
      sysv_undo_add(identifier, operations[i].sem_num, semaphore->epoch, -operations[i].sem_op);
  }
  return wakes;
}

/* One attempt, and a wait at most. 0; an errno, EAGAIN with `*blocked` where it is to be tried again. */
static int attempt(int identifier, const struct sembuf *operations, size_t count, unsigned wanted,
                   const uint64_t *due, const struct sembuf **blocked) {
  struct set *set = sysv_set_enter(identifier, wanted);
  if (set == NULL) return errno;
  int error = 0, wakes = 0;
  *blocked = NULL;
  for (size_t i = 0; i < count; i++) error = operations[i].sem_num >= set->count ? EFBIG : error;
  if (error == 0) error = try_all(set, operations, count, blocked);
  if (error == 0) wakes = finish(set, identifier, operations, count);
  if (error == EAGAIN) {
    if ((*blocked)->sem_flg & IPC_NOWAIT) *blocked = NULL;
    else if ((error = wait_for_change(set, identifier, *blocked, due)) == 0) error = EAGAIN;
    else *blocked = NULL;
  }
  sysv_set_leave(set, wakes);
  return error;
}

static int operate(int identifier, const struct sembuf *operations, size_t count, const uint64_t *due) {
  unsigned wanted = 0400, handlers = sysv_interruptions().all;
  int error, is_waiting = 0, is_interrupted = 0;
  /* As Linux has it: no cancellation point. */
  struct sysv_cancellation before = sysv_cancellation_off();
  for (size_t i = 0; i < count; i++) wanted = operations[i].sem_op != 0 ? 0200 : wanted;
  do {
    const struct sembuf *blocked = NULL;
    struct sysv_held held = sysv_signals_hold();
    error = attempt(identifier, operations, count, wanted, due, &blocked);
    sysv_signals_let(&held);
    /* Removed between two waits. */
    if (is_waiting && error == EINVAL) error = EIDRM;
    is_waiting = error == EAGAIN && blocked != NULL;
    is_interrupted = is_waiting && sysv_interruptions().all != handlers;
  } while (is_waiting && !is_interrupted);
  sysv_cancellation_restore(before);
  if (is_interrupted) return failed(EINTR);
  return error == 0 ? 0 : failed(error);
}

static int begin(int identifier, const struct sembuf *operations, size_t count,
                 const struct timespec *limit) {
  if (sysv_join() != 0) return -1;
  if (count == 0) return failed(EINVAL);
  if (count > SET_OPERATIONS) return failed(E2BIG);
  /* Copied: they may lie in shared memory, which must not change meanwhile. */
  struct sembuf copy[SET_OPERATIONS];
  memcpy(copy, operations, count * sizeof *copy);
  if (limit == NULL) return operate(identifier, copy, count, NULL);
  if (limit->tv_sec < 0 || limit->tv_nsec < 0 || limit->tv_nsec >= 1000000000) return failed(EINVAL);
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t seconds = limit->tv_sec > 3153600000 ? 3153600000 : (uint64_t)limit->tv_sec;
  uint64_t due = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + seconds * 1000000000 +
                 (uint64_t)limit->tv_nsec;
  return operate(identifier, copy, count, &due);
}

SYSV_EXPORT int semop(int identifier, struct sembuf *operations, size_t count) {
  if (!sysv_is_in_job()) return real()->semop(identifier, operations, count);
  return begin(identifier, operations, count, NULL);
}

SYSV_EXPORT int semtimedop(int identifier, struct sembuf *operations, size_t count,
                           const struct timespec *limit) {
  if (!sysv_is_in_job()) return real()->semtimedop(identifier, operations, count, limit);
  return begin(identifier, operations, count, limit);
}
