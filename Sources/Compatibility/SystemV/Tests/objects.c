// Process-shared mutexes, conditions, barriers, read-write locks, spin locks and POSIX semaphores that lie in
// a segment.
#include <pthread.h>
#include <semaphore.h>

#include "check.h"

enum { SLOTS = 4 };

struct shared {
  pthread_mutex_t mutex, recursive, checking, zeros, queue_mutex;
  pthread_cond_t changed, monotonic;
  pthread_barrier_t barrier;
  pthread_rwlock_t lock;
  pthread_spinlock_t spin;
  sem_t semaphore, slots_free, slots_used;
  long counter, spun, slots[SLOTS], in, out, sum, serial, low, high;
  char far[8192];
  long far_counter;
};

static void initialise(struct shared *s) {
  pthread_mutexattr_t mutex;
  pthread_condattr_t condition;
  pthread_barrierattr_t barrier;
  pthread_rwlockattr_t lock;
  pthread_mutexattr_init(&mutex);
  pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
  CHECK(pthread_mutex_init(&s->mutex, &mutex) == 0, "a mutex");
  CHECK(pthread_mutex_init(&s->queue_mutex, &mutex) == 0, "another mutex");
  pthread_mutexattr_settype(&mutex, PTHREAD_MUTEX_RECURSIVE);
  CHECK(pthread_mutex_init(&s->recursive, &mutex) == 0, "a recursive mutex");
  pthread_mutexattr_settype(&mutex, PTHREAD_MUTEX_ERRORCHECK);
  CHECK(pthread_mutex_init(&s->checking, &mutex) == 0, "a mutex that checks errors");
  pthread_condattr_init(&condition);
  pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
  CHECK(pthread_cond_init(&s->changed, &condition) == 0, "a condition");
  pthread_condattr_setclock(&condition, CLOCK_MONOTONIC);
  CHECK(pthread_cond_init(&s->monotonic, &condition) == 0, "a condition of another clock");
  pthread_barrierattr_init(&barrier);
  pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
  CHECK(pthread_barrier_init(&s->barrier, &barrier, 0) == EINVAL, "a barrier of nobody");
  CHECK(pthread_barrier_init(&s->barrier, &barrier, (unsigned)all) == 0, "a barrier");
  pthread_rwlockattr_init(&lock);
  pthread_rwlockattr_setpshared(&lock, PTHREAD_PROCESS_SHARED);
  CHECK(pthread_rwlock_init(&s->lock, &lock) == 0, "a read-write lock");
  CHECK(pthread_spin_init(&s->spin, PTHREAD_PROCESS_SHARED) == 0, "a spin lock");
  CHECK(sem_init(&s->semaphore, 1, 2) == 0, "a semaphore");
  CHECK(sem_init(&s->slots_free, 1, SLOTS) == 0 && sem_init(&s->slots_used, 1, 0) == 0, "two semaphores");
}

static void mutexes(struct shared *s, int set) {
  const int rounds = scaled(150);
  for (int i = 0; i < rounds; i++) {
    pthread_mutex_lock(&s->mutex);
    s->counter++;
    s->far_counter++;
    pthread_mutex_unlock(&s->mutex);
  }
  meet(set);
  CHECK(s->counter == (long)rounds * all && s->far_counter == s->counter, "a counter behind a mutex");
  meet(set);
  // Zeros are a mutex, too, as static initialisers make them.
  pthread_mutex_lock(&s->zeros);
  s->counter++;
  pthread_mutex_unlock(&s->zeros);
  meet(set);
  CHECK(s->counter == (long)(rounds + 1) * all, "a mutex that nobody has initialised");
  meet(set);
  for (int i = 0; i < 20; i++) {
    CHECK(pthread_mutex_lock(&s->recursive) == 0 && pthread_mutex_lock(&s->recursive) == 0, "taken twice");
    s->counter++;
    pthread_mutex_unlock(&s->recursive);
    s->counter++;
    CHECK(pthread_mutex_unlock(&s->recursive) == 0, "given back twice");
  }
  meet(set);
  CHECK(s->counter == (long)(rounds + 41) * all, "a counter behind a recursive mutex");
  meet(set);
  if (me == 0) {
    CHECK(pthread_mutex_lock(&s->checking) == 0, "taken");
    CHECK(pthread_mutex_lock(&s->checking) == EDEADLK, "taken again by its owner");
  }
  meet(set);
  if (me == 1) {
    struct timespec due;
    CHECK(pthread_mutex_trylock(&s->checking) == EBUSY, "tried while another has it");
    clock_gettime(CLOCK_REALTIME, &due);
    due.tv_nsec += 20000000;
    if (due.tv_nsec >= 1000000000) due.tv_sec++, due.tv_nsec -= 1000000000;
    CHECK(pthread_mutex_timedlock(&s->checking, &due) == ETIMEDOUT, "not had in time");
    CHECK(pthread_mutex_unlock(&s->checking) == EPERM, "given back by somebody else");
  }
  meet(set);
  if (me == 0) CHECK(pthread_mutex_unlock(&s->checking) == 0, "given back");
  meet(set);
  if (me == 1) {
    CHECK(pthread_mutex_trylock(&s->checking) == 0, "tried while it is free");
    pthread_mutex_unlock(&s->checking);
  }
  for (int i = 0; i < 30; i++) {
    pthread_spin_lock(&s->spin);
    s->spun++;
    pthread_spin_unlock(&s->spin);
  }
  meet(set);
  CHECK(s->spun == 30L * all, "a counter behind a spin lock");
}

// A bounded queue: producers and consumers wait for one condition.
static void conditions(struct shared *s, int set) {
  const int each_makes = scaled(60);
  int producers = (all + 1) / 2, consumers = all / 2, is_producer = me % 2 == 0;
  int items = consumers == 0 ? 0 : each_makes * (is_producer ? consumers : producers);
  for (int i = 0; i < items; i++) {
    pthread_mutex_lock(&s->queue_mutex);
    while (is_producer ? s->in - s->out == SLOTS : s->in == s->out)
      pthread_cond_wait(&s->changed, &s->queue_mutex);
    if (is_producer) s->slots[s->in++ % SLOTS] = i + 1;
    else s->sum += s->slots[s->out++ % SLOTS];
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->queue_mutex);
  }
  meet(set);
  long each = (long)each_makes * consumers;
  CHECK(s->sum == producers * (each * (each + 1) / 2), "a queue with a condition loses nothing");
  // One that nobody signals, by both clocks.
  struct timespec due;
  double began = now_s();
  clock_gettime(CLOCK_MONOTONIC, &due);
  due.tv_nsec += 20000000;
  if (due.tv_nsec >= 1000000000) due.tv_sec++, due.tv_nsec -= 1000000000;
  pthread_mutex_lock(&s->queue_mutex);
  CHECK(pthread_cond_timedwait(&s->monotonic, &s->queue_mutex, &due) == ETIMEDOUT, "nobody signals");
  CHECK(now_s() - began >= 0.02, "waited until then");
  pthread_mutex_unlock(&s->queue_mutex);
  meet(set);
}

static void barriers(struct shared *s, int set) {
  int wrong = 0, serial = 0, rounds = scaled(40);
  for (int i = 0; i < rounds; i++) {
    s->far[64 * me] = (char)i;
    int result = pthread_barrier_wait(&s->barrier);
    if (result == PTHREAD_BARRIER_SERIAL_THREAD) serial++;
    else wrong += result != 0;
    for (int k = 0; k < all; k++) wrong += s->far[64 * k] != (char)i;
    pthread_barrier_wait(&s->barrier);
  }
  CHECK(wrong == 0, "rounds of a barrier");
  pthread_mutex_lock(&s->mutex);
  s->serial += serial;
  pthread_mutex_unlock(&s->mutex);
  meet(set);
  CHECK(s->serial == rounds, "one of each round is told so");
  meet(set);
}

static void read_write(struct shared *s, int set) {
  int torn = 0, rounds = 4 * scaled(15);
  for (int i = 0; i < rounds; i++) {
    if (i % 4 == me % 4) {
      pthread_rwlock_wrlock(&s->lock);
      s->low++;
      s->high++;
      pthread_rwlock_unlock(&s->lock);
    } else {
      pthread_rwlock_rdlock(&s->lock);
      torn += s->low != s->high;
      pthread_rwlock_unlock(&s->lock);
    }
  }
  meet(set);
  CHECK(torn == 0 && s->low == rounds / 4L * all && s->high == s->low, "a read-write lock");
  meet(set);
  if (me == 0) CHECK(pthread_rwlock_rdlock(&s->lock) == 0, "held for reading");
  meet(set);
  if (me == 1) {
    CHECK(pthread_rwlock_tryrdlock(&s->lock) == 0 && pthread_rwlock_unlock(&s->lock) == 0, "read together");
    CHECK(pthread_rwlock_trywrlock(&s->lock) == EBUSY, "not written meanwhile");
  }
  meet(set);
  if (me == 0) CHECK(pthread_rwlock_unlock(&s->lock) == 0, "given back");
  meet(set);
}

static void posix_semaphores(struct shared *s, int set) {
  int value = -1;
  CHECK(sem_getvalue(&s->semaphore, &value) == 0 && value == 2, "its value");
  meet(set);
  long produced = 0, turns = scaled(100);
  if (all > 1 && me < 2) {
    // A pipe of two processes.
    for (long i = 0; i < turns; i++) {
      NEED(sem_wait(me == 0 ? &s->slots_free : &s->slots_used));
      if (me == 0) s->slots[i % SLOTS] = i + 1;
      else produced += s->slots[i % SLOTS];
      NEED(sem_post(me == 0 ? &s->slots_used : &s->slots_free));
    }
  }
  if (me == 1) CHECK(produced == turns * (turns + 1) / 2, "a pipe of two semaphores");
  meet(set);
  if (me == 0) {
    struct timespec due;
    NEED(sem_wait(&s->semaphore));
    CHECK(sem_trywait(&s->semaphore) == 0, "tried");
    CHECK_FAILS(sem_trywait(&s->semaphore), EAGAIN, "tried in vain");
    clock_gettime(CLOCK_REALTIME, &due);
    CHECK_FAILS(sem_timedwait(&s->semaphore, &due), ETIMEDOUT, "not in time");
    NEED(sem_post(&s->semaphore));
    CHECK(sem_wait(&s->semaphore) == 0, "had again");
  }
  meet(set);
}

static void ends(struct shared *s, int set) {
  if (me == 0) {
    pthread_mutex_lock(&s->mutex);
    CHECK(pthread_mutex_destroy(&s->mutex) == EBUSY, "destroyed while it is held");
    pthread_mutex_unlock(&s->mutex);
    CHECK(pthread_mutex_destroy(&s->mutex) == 0 && pthread_cond_destroy(&s->changed) == 0, "destroyed");
    CHECK(pthread_barrier_destroy(&s->barrier) == 0 && pthread_rwlock_destroy(&s->lock) == 0,
          "destroyed, too");
    CHECK(sem_destroy(&s->semaphore) == 0 && pthread_spin_destroy(&s->spin) == 0, "and these");
    // Another object in the same place, which others have known as a mutex.
    memset(&s->mutex, 0, sizeof s->mutex);
    s->counter = 0;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    CHECK(pthread_mutex_init(&s->mutex, &attributes) == 0, "a mutex in the place of another");
  }
  meet(set);
  for (int i = 0; i < 50; i++) {
    pthread_mutex_lock(&s->mutex);
    s->counter++;
    pthread_mutex_unlock(&s->mutex);
  }
  meet(set);
  CHECK(s->counter == 50L * all, "a counter behind it");
}

int main(int count, char **arguments) {
  (void)count;
  begin(arguments);
  int set = meeting(), id;
  struct shared *s;
  NEED(id = shmget(first_key + 1, sizeof *s, IPC_CREAT | 0600));
  NEED(s = shmat(id, NULL, 0));
  // What is not shared goes on to libc.
  static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
  CHECK(pthread_mutex_lock(&own) == 0 && pthread_mutex_trylock(&own) == EBUSY &&
            pthread_mutex_unlock(&own) == 0,
        "a mutex of this process");
  if (me == 0) initialise(s);
  meet(set);
  mutexes(s, set);
  conditions(s, set);
  barriers(s, set);
  read_write(s, set);
  posix_semaphores(s, set);
  ends(s, set);
  meet(set);
  NEED(shmdt(s));
  if (me == 0) NEED(shmctl(id, IPC_RMID, NULL));
  part(set);
  return end();
}
