// semget, semop, semtimedop, semctl between processes.
#include <signal.h>

#include "check.h"

static int value(int set, int number) { return semctl(set, number, GETVAL); }

static void set_value(int set, int number, int to) {
  union semun argument = {.val = to};
  NEED(semctl(set, number, SETVAL, argument));
}

static void keys(int meeting_set) {
  key_t key = first_key + 1;
  int set;
  struct semid_ds found;
  union semun argument = {.buf = &found};
  if (me == 0) {
    CHECK_FAILS(semget(key, 3, 0600), ENOENT, "a key that nobody has made");
    CHECK_FAILS(semget(key, 0, IPC_CREAT | 0600), EINVAL, "a set of none");
    CHECK_FAILS(semget(key, -1, IPC_CREAT | 0600), EINVAL, "a negative number");
    NEED(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600));
  }
  meet(meeting_set);
  NEED(set = semget(key, 0, 0));
  CHECK(semget(key, 3, IPC_CREAT | 0600) == set, "the same identifier for all");
  CHECK_FAILS(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600), EEXIST, "IPC_EXCL");
  CHECK_FAILS(semget(key, 4, 0600), EINVAL, "more than the set has");
  NEED(semctl(set, 0, IPC_STAT, argument));
  CHECK(found.sem_nsems == 3 && (found.sem_perm.mode & 0777) == 0600 && found.sem_perm.__key == key,
        "IPC_STAT");
  CHECK_FAILS(value(set, 3), EINVAL, "the value of a semaphore that there is not");
  CHECK_FAILS(change(set, 3, 1, 0), EFBIG, "an operation on a semaphore that there is not");
  CHECK_FAILS(semop(set, NULL, 0), EINVAL, "no operation");
  meet(meeting_set);
  if (me == 0) NEED(semctl(set, 0, IPC_RMID));
  meet(meeting_set);
  CHECK_FAILS(change(set, 0, 1, 0), EINVAL, "a set that was removed");
  CHECK_FAILS(semget(key, 0, 0), ENOENT, "the key of a set that was removed");
}

static void values(int meeting_set) {
  if (me == 0) {
    int set;
    unsigned short list[3] = {4, 5, 6}, found[3];
    union semun set_all = {.array = list}, get_all = {.array = found}, too_large = {.val = 32768};
    NEED(set = semget(IPC_PRIVATE, 3, 0600));
    CHECK(value(set, 0) == 0 && value(set, 2) == 0, "zeros at first");
    CHECK(semctl(set, 0, SETALL, set_all) == 0 && semctl(set, 0, GETALL, get_all) == 0, "SETALL, GETALL");
    CHECK(memcmp(list, found, sizeof list) == 0, "what GETALL gives");
    CHECK_FAILS(semctl(set, 1, SETVAL, too_large), ERANGE, "a value that is too large");
    CHECK_FAILS(change(set, 0, 32767, 0), ERANGE, "an operation whose result is too large");
    CHECK(value(set, 0) == 4, "it has changed nothing");
    CHECK(semctl(set, 0, GETPID) == getpid(), "GETPID");
    CHECK_FAILS(change(set, 0, -5, IPC_NOWAIT), EAGAIN, "IPC_NOWAIT, to take more than there is");
    CHECK_FAILS(change(set, 0, 0, IPC_NOWAIT), EAGAIN, "IPC_NOWAIT, to wait for zero");
    // The first would go, the second not: neither is done.
    struct sembuf both[2] = {{0, -4, 0}, {1, -6, IPC_NOWAIT}};
    CHECK_FAILS(semop(set, both, 2), EAGAIN, "two operations, the second of which has to wait");
    CHECK(value(set, 0) == 4 && value(set, 1) == 5, "none of the two was done");
    struct sembuf through[3] = {{0, -4, 0}, {0, 0, 0}, {0, 7, 0}};
    CHECK(semop(set, through, 3) == 0 && value(set, 0) == 7,
          "operations in order: down to zero, and up again");
    struct timespec limit = {0, 30000000};
    struct sembuf late = {2, -7, 0};
    double began = now_s();
    CHECK_FAILS(semtimedop(set, &late, 1, &limit), EAGAIN, "semtimedop, whose time passes");
    CHECK(now_s() - began >= 0.03, "it has waited so long");
    CHECK(semctl(set, 2, GETNCNT) == 0 && semctl(set, 2, GETZCNT) == 0, "nobody waits");
    NEED(semctl(set, 0, IPC_RMID));
  }
  meet(meeting_set);
}

// A counter in shared memory behind a semaphore, with and without SEM_UNDO, and a sum that all see in the
// end.
static void exclusion(int meeting_set) {
  int set, id, rounds = scaled(200);
  NEED(set = semget(first_key + 2, 2, IPC_CREAT | 0600));
  NEED(id = shmget(first_key + 2, 8192, IPC_CREAT | 0600));
  long *counter = shmat(id, NULL, 0);
  NEED(counter);
  if (me == 0) set_value(set, 0, 1);
  meet(meeting_set);
  for (int i = 0; i < rounds; i++) {
    NEED(change(set, 0, -1, i % 2 ? SEM_UNDO : 0));
    counter[0]++;
    counter[600]++;
    NEED(change(set, 0, 1, i % 2 ? SEM_UNDO : 0));
  }
  meet(meeting_set);
  CHECK(counter[0] == (long)rounds * all && counter[600] == (long)rounds * all,
        "a counter behind a semaphore");
  meet(meeting_set);
  NEED(shmdt(counter));
  if (me == 0) {
    NEED(shmctl(id, IPC_RMID, NULL));
    NEED(semctl(set, 0, IPC_RMID));
  }
}

// A bounded buffer: the classical three semaphores.
static void buffer(int meeting_set) {
  enum { SLOTS = 5, FREE = 0, USED = 1, MUTEX = 2 };
  const int items = scaled(120);
  struct ring {
    long slots[SLOTS], in, out, sum;
  } *ring;
  int set, id;
  NEED(set = semget(first_key + 3, 3, IPC_CREAT | 0600));
  NEED(id = shmget(first_key + 3, sizeof *ring, IPC_CREAT | 0600));
  NEED(ring = shmat(id, NULL, 0));
  if (me == 0) {
    set_value(set, FREE, SLOTS);
    set_value(set, MUTEX, 1);
  }
  meet(meeting_set);
  int is_producer = me % 2 == 0, producers = (all + 1) / 2, consumers = all / 2;
  if (consumers == 0) is_producer = 0;
  for (int i = 0; consumers > 0 && i < items * (is_producer ? consumers : producers); i++) {
    struct sembuf enter[2] = {{is_producer ? FREE : USED, -1, 0}, {MUTEX, -1, 0}};
    struct sembuf leave[2] = {{MUTEX, 1, 0}, {is_producer ? USED : FREE, 1, 0}};
    NEED(semop(set, enter, 2));
    if (is_producer) ring->slots[ring->in++ % SLOTS] = i + 1;
    else ring->sum += ring->slots[ring->out++ % SLOTS];
    NEED(semop(set, leave, 2));
  }
  meet(meeting_set);
  long each = (long)items * consumers;
  CHECK(ring->sum == producers * (each * (each + 1) / 2), "a bounded buffer loses nothing");
  meet(meeting_set);
  NEED(shmdt(ring));
  if (me == 0) {
    NEED(shmctl(id, IPC_RMID, NULL));
    NEED(semctl(set, 0, IPC_RMID));
  }
}

// Waiting for zero, and what those who wait are told when the set is removed.
static void waiting(int meeting_set) {
  int set;
  NEED(set = semget(first_key + 4, 2, IPC_CREAT | 0600));
  if (me == 0) set_value(set, 0, 1);
  meet(meeting_set);
  if (me == 0) {
    while (semctl(set, 0, GETZCNT) < all - 1) usleep(1000);
    CHECK(1, "GETZCNT counts those who wait for zero");
    NEED(change(set, 0, -1, 0));
  } else {
    CHECK(change(set, 0, 0, 0) == 0, "waited for zero");
  }
  meet(meeting_set);
  // What it takes itself comes first: 5 - 4 is not zero, and 4 - 4 is.
  if (me == 0) {
    struct sembuf down_to_zero[2] = {{1, -4, 0}, {1, 0, 0}};
    if (all == 1) set_value(set, 1, 4);
    CHECK(semop(set, down_to_zero, 2) == 0 && value(set, 1) == 0, "took some and waited for zero");
  } else if (me == 1) {
    set_value(set, 1, 5);
    while (semctl(set, 1, GETZCNT) < 1) usleep(1000);
    NEED(change(set, 1, -1, 0));
  }
  meet(meeting_set);
  if (me == 0) {
    while (semctl(set, 1, GETNCNT) < all - 1) usleep(1000);
    CHECK(1, "GETNCNT counts those who wait for more");
    NEED(semctl(set, 0, IPC_RMID));
  } else {
    CHECK_FAILS(change(set, 1, -1, 0), EIDRM, "the set was removed meanwhile");
  }
  meet(meeting_set);
}

int main(int count, char **arguments) {
  (void)count;
  begin(arguments);
  int set = meeting();
  keys(set);
  values(set);
  exclusion(set);
  buffer(set);
  waiting(set);
  part(set);
  return end();
}
