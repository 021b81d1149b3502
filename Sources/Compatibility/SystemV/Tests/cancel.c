// Threads that are cancelled while they wait for objects in shared memory: what libc makes a cancellation
// point is one, nothing else is, and the objects are good for everything afterwards.
#include <pthread.h>
#include <semaphore.h>

#include "check.h"

enum { BYTES = 1 << 20, PLACE = 64 * 1024 };

struct objects {
  sem_t semaphore;
  pthread_mutex_t mutex;
  pthread_cond_t condition;
  pthread_rwlock_t lock;
  pthread_barrier_t barrier;
  int is_set;
};

static struct objects *on;
static char *shared;
static int set, ends_of_pipe[2];

struct victim {
  int (*call)(void);
  void (*undo)(void);
  int is_entered, has_returned, result, needs_mutex, had_mutex;
};

static void clean_up(void *argument) {
  struct victim *victim = argument;
  if (victim->needs_mutex) victim->had_mutex = pthread_mutex_unlock(&on->mutex) == 0;
}

static void *run(void *argument) {
  struct victim *victim = argument;
  pthread_cleanup_push(clean_up, victim);
  __atomic_store_n(&victim->is_entered, 1, __ATOMIC_RELEASE);
  victim->result = victim->call();
  victim->has_returned = 1;
  if (victim->undo != NULL) victim->undo();
  pthread_cleanup_pop(0);
  pthread_testcancel();
  return NULL;
}

static pthread_t start(struct victim *victim) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, victim) != 0) abort();
  while (!__atomic_load_n(&victim->is_entered, __ATOMIC_ACQUIRE)) usleep(1000);
  usleep(50000);
  return thread;
}

static int is_cancelled(pthread_t thread) {
  struct timespec due;
  void *result = NULL;
  clock_gettime(CLOCK_REALTIME, &due);
  due.tv_sec += 20;
  return pthread_timedjoin_np(thread, &result, &due) == 0 && result == PTHREAD_CANCELED;
}

static struct timespec later(void) {
  struct timespec due;
  clock_gettime(CLOCK_REALTIME, &due);
  due.tv_sec += 30;
  return due;
}

static int wait_semaphore(void) { return sem_wait(&on->semaphore); }
static int wait_semaphore_until(void) {
  struct timespec due = later();
  return sem_timedwait(&on->semaphore, &due);
}
static int wait_condition(void) {
  pthread_mutex_lock(&on->mutex);
  while (!on->is_set) pthread_cond_wait(&on->condition, &on->mutex);
  return pthread_mutex_unlock(&on->mutex);
}
static int wait_condition_until(void) {
  struct timespec due = later();
  pthread_mutex_lock(&on->mutex);
  while (!on->is_set) pthread_cond_timedwait(&on->condition, &on->mutex, &due);
  return pthread_mutex_unlock(&on->mutex);
}
static int read_pipe(void) { return (int)read(ends_of_pipe[0], shared + (size_t)me * PLACE + 4096, 100); }

static void point(const char *name, int (*call)(void)) {
  struct victim victim = {.call = call,
                          .needs_mutex = call == wait_condition || call == wait_condition_until};
  pthread_t thread = start(&victim);
  pthread_cancel(thread);
  CHECK(is_cancelled(thread) && !victim.has_returned, name);
  if (victim.needs_mutex) CHECK(victim.had_mutex, "its clean-up handler has the mutex");
}

static int take_mutex(void) { return pthread_mutex_lock(&on->mutex); }
static void give_mutex(void) { pthread_mutex_unlock(&on->mutex); }
static int take_to_read(void) { return pthread_rwlock_rdlock(&on->lock); }
static int take_to_write(void) { return pthread_rwlock_wrlock(&on->lock); }
static void give_lock(void) { pthread_rwlock_unlock(&on->lock); }
static int meet_two(void) {
  int result = pthread_barrier_wait(&on->barrier);
  return result == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : result;
}
static int take_set(void) { return change(set, me, -1, 0); }

static void no_point(const char *name, int (*call)(void), void (*undo)(void), void (*allow)(void)) {
  struct victim victim = {.call = call, .undo = undo};
  pthread_t thread = start(&victim);
  pthread_cancel(thread);
  usleep(50000);
  CHECK(pthread_tryjoin_np(thread, NULL) == EBUSY, name);
  allow();
  CHECK(is_cancelled(thread) && victim.has_returned && victim.result == 0,
        "it comes back with what it waited for");
}
static void allow_barrier(void) { CHECK(meet_two() == 0, "a barrier"); }
static void allow_set(void) { NEED(change(set, me, 1, 0)); }

static void objects_work(void) {
  CHECK(sem_trywait(&on->semaphore) == -1 && errno == EAGAIN, "the semaphore is as it was");
  CHECK(sem_post(&on->semaphore) == 0 && sem_wait(&on->semaphore) == 0, "and can be posted and taken");
  CHECK(pthread_mutex_lock(&on->mutex) == 0, "the mutex can be locked");
  on->is_set = 1;
  CHECK(pthread_cond_broadcast(&on->condition) == 0, "the condition can be broadcast");
  CHECK(pthread_mutex_unlock(&on->mutex) == 0, "the mutex can be unlocked");
  CHECK(wait_condition() == 0, "the condition can be waited for");
  on->is_set = 0;
  CHECK(take_to_write() == 0, "the lock can be taken");
  give_lock();
}

int main(int argc, char **argv) {
  (void)argc;
  alarm(50);
  begin(argv);
  int meetings = meeting(), id;
  NEED(id = shmget(first_key + 1, BYTES, IPC_CREAT | 0600));
  NEED(set = semget(first_key + 1, 8, IPC_CREAT | 0600));
  NEED(pipe(ends_of_pipe));
  shared = shmat(id, NULL, 0);
  NEED(shared);
  on = (struct objects *)(shared + (size_t)me * PLACE);
  sem_init(&on->semaphore, 1, 0);
  pthread_mutex_init(&on->mutex, NULL);
  pthread_cond_init(&on->condition, NULL);
  pthread_rwlock_init(&on->lock, NULL);
  pthread_barrier_init(&on->barrier, NULL, 2);
  meet(meetings);
  point("sem_wait", wait_semaphore);
  point("sem_timedwait", wait_semaphore_until);
  point("pthread_cond_wait", wait_condition);
  point("pthread_cond_timedwait", wait_condition_until);
  objects_work();
  pthread_mutex_lock(&on->mutex);
  no_point("pthread_mutex_lock is no point", take_mutex, give_mutex, give_mutex);
  pthread_rwlock_wrlock(&on->lock);
  no_point("pthread_rwlock_rdlock is no point", take_to_read, give_lock, give_lock);
  pthread_rwlock_wrlock(&on->lock);
  no_point("pthread_rwlock_wrlock is no point", take_to_write, give_lock, give_lock);
  no_point("pthread_barrier_wait is no point", meet_two, NULL, allow_barrier);
  no_point("semop is no point", take_set, NULL, allow_set);
  objects_work();
  point("read into shared memory", read_pipe);
  meet(meetings);
  CHECK(shmdt(shared) == 0, "nothing of it is pinned: it can be detached");
  part(meetings);
  if (me == 0) {
    shmctl(id, IPC_RMID, NULL);
    semctl(set, 0, IPC_RMID);
  }
  return end();
}
