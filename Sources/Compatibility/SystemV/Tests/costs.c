// What the calls take, of two processes: alone, and handing over to each other. Prints microseconds;
// docs/system-v.md has them from the kernel and from Merino.
#include <pthread.h>
#include <semaphore.h>

#include "check.h"

#define MEASURE(what, times, body)                                            \
  do {                                                                        \
    double began = now_s();                                                   \
    for (int i = 0; i < (times); i++) { body; }                               \
    say("%-44s %9.3f us", what, (now_s() - began) / (times) * 1e6);           \
  } while (0)

int main(int count, char **arguments) {
  (void)count;
  begin(arguments);
  int set = meeting(), turns, id;
  pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
  NEED(turns = semget(first_key + 1, 2, IPC_CREAT | 0600));
  NEED(id = shmget(first_key + 1, 3 * 4096, IPC_CREAT | 0600));
  char *bytes = shmat(id, NULL, 0);
  NEED(bytes);
  pthread_mutex_t *mutex = (pthread_mutex_t *)bytes;
  sem_t *semaphore = (sem_t *)(bytes + 4096);
  volatile long *page = (volatile long *)(bytes + 8192);
  meet(set);
  if (me == 0) {
    NEED(sem_init(semaphore, 1, 0));
    MEASURE("a mutex outside, locked and unlocked", 1000000,
            pthread_mutex_lock(&own); pthread_mutex_unlock(&own));
    MEASURE("a mutex in the segment", 20000, pthread_mutex_lock(mutex); pthread_mutex_unlock(mutex));
    MEASURE("sem_post and sem_wait", 5000, sem_post(semaphore); sem_wait(semaphore));
    MEASURE("semop up and down", 5000, change(turns, 0, 1, 0); change(turns, 0, -1, 0));
  }
  meet(set);
  if (me == 0) MEASURE("there and back by semop", 2000, change(turns, 0, 1, 0); change(turns, 1, -1, 0));
  for (int i = 0; me == 1 && i < 2000; i++) change(turns, 0, -1, 0), change(turns, 1, 1, 0);
  meet(set);
  if (me == 0) {
    MEASURE("the same with a page that both write", 2000,
            page[0]++; change(turns, 0, 1, 0); change(turns, 1, -1, 0));
  }
  for (int i = 0; me == 1 && i < 2000; i++) change(turns, 0, -1, 0), page[1]++, change(turns, 1, 1, 0);
  meet(set);
  CHECK(page[0] == 2000 && page[1] == 2000, "what both wrote");
  NEED(shmdt(bytes));
  if (me == 0) {
    NEED(shmctl(id, IPC_RMID, NULL));
    NEED(semctl(turns, 0, IPC_RMID));
  }
  part(set);
  return end();
}
