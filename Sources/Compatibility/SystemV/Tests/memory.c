// shmget, shmat, shmdt, shmctl between processes.
#include "check.h"

enum { BYTES = 3 * 4096 + 100 };

static struct shmid_ds status(int id) {
  struct shmid_ds found;
  NEED(shmctl(id, IPC_STAT, &found));
  return found;
}

static void keys(int set) {
  key_t key = first_key + 1;
  int id;
  if (me == 0) {
    CHECK_FAILS(shmget(key, BYTES, 0600), ENOENT, "a key that nobody has made");
    CHECK_FAILS(shmget(key, 0, IPC_CREAT | 0600), EINVAL, "no bytes");
    NEED(id = shmget(key, BYTES, IPC_CREAT | IPC_EXCL | 0600));
  }
  meet(set);
  NEED(id = shmget(key, 0, 0600));
  CHECK_FAILS(shmget(key, BYTES, IPC_CREAT | IPC_EXCL | 0600), EEXIST, "IPC_EXCL");
  CHECK_FAILS(shmget(key, BYTES + 1, 0600), EINVAL, "more bytes than it has");
  CHECK(shmget(key, BYTES, IPC_CREAT | 0600) == id, "the same identifier for all");
  int private_one = shmget(IPC_PRIVATE, 1, 0600), private_two = shmget(IPC_PRIVATE, 1, 0600);
  CHECK(private_one >= 0 && private_two >= 0 && private_one != private_two,
        "IPC_PRIVATE is a new one each time");
  CHECK_FAILS(shmat(private_one + 1000000, NULL, 0), EINVAL, "an identifier of nothing");
  NEED(shmctl(private_one, IPC_RMID, NULL));
  NEED(shmctl(private_two, IPC_RMID, NULL));
  CHECK_FAILS(shmctl(private_one, IPC_RMID, NULL), EINVAL, "removed twice");
  CHECK_FAILS(shmat(private_one, NULL, 0), EINVAL, "attached after it was removed");
  meet(set);
  if (me == 0) NEED(shmctl(id, IPC_RMID, NULL));
  meet(set);
  CHECK_FAILS(shmget(key, 0, 0600), ENOENT, "the key of one that was removed");
}

// Everybody writes a part of every page, and sees what the others wrote.
static void contents(int set) {
  int id;
  NEED(id = shmget(first_key + 2, BYTES, IPC_CREAT | 0600));
  unsigned char *bytes = shmat(id, NULL, 0);
  NEED(bytes);
  int zeros = 1;
  for (int i = 0; i < BYTES; i++) zeros &= bytes[i] == 0;
  CHECK(zeros, "zeros at first");
  meet(set);
  for (int i = me; i < BYTES; i += all) bytes[i] = (unsigned char)(i * 7 + 1);
  meet(set);
  int wrong = 0;
  for (int i = 0; i < BYTES; i++) wrong += bytes[i] != (unsigned char)(i * 7 + 1);
  CHECK(wrong == 0, "what all have written");
  struct shmid_ds found = status(id);
  CHECK(found.shm_segsz == BYTES && (found.shm_perm.mode & 0777) == 0600, "size and mode");
  CHECK(found.shm_nattch == (shmatt_t)all, "attachments of all are counted");
  CHECK(found.shm_perm.__key == first_key + 2 && found.shm_perm.uid == geteuid(), "key and owner");
  meet(set);
  // Removed, but there until the last one goes.
  if (me == 0) NEED(shmctl(id, IPC_RMID, NULL));
  meet(set);
  CHECK(status(id).shm_perm.mode & 01000, "SHM_DEST");
  unsigned char *again = shmat(id, NULL, 0);
  CHECK(again != (void *)-1 && again != bytes && again[BYTES - 1] == bytes[BYTES - 1],
        "attached after removal, while others have it");
  again[me] = (unsigned char)(100 + me);
  CHECK(bytes[me] == 100 + me, "two attachments are the same memory");
  CHECK(shmdt(again) == 0, "detached");
  meet(set);
  CHECK(shmdt(bytes) == 0, "detached the last one");
  CHECK_FAILS(shmdt(bytes), EINVAL, "detached twice");
  meet(set);
  CHECK_FAILS(shmctl(id, IPC_STAT, &found), EINVAL, "gone after the last detach");
}

static void addresses(int set) {
  int id;
  long page = sysconf(_SC_PAGESIZE);
  struct shmid_ds found;
  NEED(id = shmget(first_key + 3, 4096, IPC_CREAT | 0600));
  char *anywhere = shmat(id, NULL, 0);
  NEED(anywhere);
  CHECK_FAILS(shmat(id, anywhere, 0), EINVAL, "an address that is taken");
  CHECK_FAILS(shmat(id, anywhere + 12345, 0), EINVAL, "an address within a page");
  NEED(shmdt(anywhere));
  // Free again.
  char *there = shmat(id, anywhere, 0);
  CHECK(there == anywhere, "a chosen address");
  NEED(shmdt(there));
  there = shmat(id, anywhere + page / 2, SHM_RND);
  CHECK(there == anywhere, "SHM_RND rounds down");
  strcpy(there + 100 * me, "written");
  const char *constant = shmat(id, NULL, SHM_RDONLY);
  CHECK(constant != (void *)-1 && strcmp(constant + 100 * me, "written") == 0, "SHM_RDONLY");
  NEED(shmdt(constant));
  NEED(shmdt(there));
  meet(set);
  if (me == 0) {
    found = status(id);
    CHECK(found.shm_nattch == 0 && found.shm_atime != 0 && found.shm_dtime != 0, "times");
    CHECK(found.shm_cpid != 0 && found.shm_lpid != 0, "processes");
    found.shm_perm.mode = 0640;
    NEED(shmctl(id, IPC_SET, &found));
    CHECK((status(id).shm_perm.mode & 0777) == 0640, "IPC_SET");
    CHECK(shmctl(id, SHM_LOCK, NULL) == 0 && (status(id).shm_perm.mode & 02000) != 0, "SHM_LOCK");
    CHECK(shmctl(id, SHM_UNLOCK, NULL) == 0 && (status(id).shm_perm.mode & 02000) == 0, "SHM_UNLOCK");
    CHECK_FAILS(shmctl(id, 77, NULL), EINVAL, "a command that there is not");
    NEED(shmctl(id, IPC_RMID, NULL));
  }
  meet(set);
}

// Identifiers come and go: each is zeros, whatever the one before it left.
static void reuse(int set) {
  int wrong = 0, rounds = scaled(60);
  for (int round = 0; round < rounds; round++) {
    int id;
    size_t bytes = (size_t)(1 + round % 7) * 4096 - 5;
    if (me == round % all) NEED(shmget(first_key + 4, bytes, IPC_CREAT | IPC_EXCL | 0600));
    meet(set);
    NEED(id = shmget(first_key + 4, 0, 0));
    unsigned char *start = shmat(id, NULL, 0);
    NEED(start);
    for (size_t i = 0; i < bytes; i++) wrong += start[i] != 0;
    meet(set);
    memset(start + (size_t)me * (bytes / (size_t)all), 0xAA, bytes / (size_t)all);
    meet(set);
    wrong += start[(size_t)((me + 1) % all) * (bytes / (size_t)all)] != 0xAA;
    meet(set);
    NEED(shmdt(start));
    if (me == (round + 1) % all) NEED(shmctl(id, IPC_RMID, NULL));
    meet(set);
  }
  CHECK(wrong == 0, "identifiers, one after the other");
}

// Many at once, as many as a program may want; pointers into them mean the same everywhere.
static void many(int set) {
  int count = scaled(40), ids[40];
  int **cells[40];
  for (int i = 0; i < count; i++) {
    NEED(ids[i] = shmget(first_key + 10 + i, 64 * 1024, IPC_CREAT | 0600));
    NEED(cells[i] = shmat(ids[i], NULL, 0));
  }
  meet(set);
  // Process 0 makes a chain through all of them, by offsets: addresses differ on one machine.
  if (me == 0) {
    for (int i = 0; i < count; i++) ((int *)cells[i])[17] = i + 1 < count ? i + 1 : -1;
  }
  meet(set);
  int seen = 0;
  for (int i = 0; i >= 0; i = ((int *)cells[i])[17]) seen++;
  CHECK(seen == count, "many segments at once");
  meet(set);
  for (int i = 0; i < count; i++) {
    NEED(shmdt(cells[i]));
    if (i % all == me) NEED(shmctl(ids[i], IPC_RMID, NULL));
  }
  meet(set);
}

int main(int count, char **arguments) {
  (void)count;
  begin(arguments);
  int set = meeting();
  keys(set);
  contents(set);
  addresses(set);
  reuse(set);
  many(set);
  part(set);
  return end();
}
