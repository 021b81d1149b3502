// What such programs do besides: they poll, they read and write files right into shared memory, talk by
// sockets, lock files, start other programs.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "check.h"

enum { BYTES = 64 * 1024 };

// One sets a flag, the others sleep until they see it. What was written before the flag needs a sleep on
// either side: before the flag is set, and after it is seen (docs/system-v.md).
static void polling(volatile int *flags, int set) {
  meet(set);
  for (int round = 1; round <= 5; round++) {
    if (me == round % all) {
      flags[2000] = 10 * round;
      usleep(1000);
      flags[0] = round;
    }
    while (flags[0] < round) usleep(1000);
    usleep(1000);
    CHECK(flags[2000] == 10 * round, "what was written before the flag");
    flags[100 * (me + 1)] = round;
    for (int k = 0; k < all; k++) {
      while (flags[100 * (k + 1)] < round) {
        struct timespec shortly = {0, 1000000};
        nanosleep(&shortly, NULL);
      }
    }
  }
  meet(set);
}

static void files(char *bytes, int set) {
  char name[] = "/tmp/merino-habits-XXXXXX";
  int file = mkstemp(name), wrong = 0;
  NEED(file);
  unlink(name);
  // Written by all, so that pages have to come from elsewhere.
  for (int i = me; i < BYTES; i += all) bytes[i] = (char)(i * 13);
  meet(set);
  CHECK(write(file, bytes, BYTES) == BYTES, "write(2) from shared memory");
  char *own = malloc(BYTES);
  CHECK(pread(file, own, BYTES, 0) == BYTES, "read back");
  for (int i = 0; i < BYTES; i++) wrong += own[i] != (char)(i * 13);
  CHECK(wrong == 0, "what was written");
  meet(set);
  size_t part = BYTES / (size_t)all, at = part * (size_t)me;
  for (size_t i = 0; i < BYTES; i++) own[i] = (char)(i * 17);
  NEED(pwrite(file, own, BYTES, 0));
  // Each fills its part, in four ways.
  ssize_t filled;
  struct iovec parts[2] = {{bytes + at, part / 2}, {bytes + at + part / 2, part - part / 2}};
  NEED(lseek(file, (off_t)at, SEEK_SET));
  if (me % 4 == 0) filled = read(file, bytes + at, part);
  else if (me % 4 == 1) filled = pread(file, bytes + at, part, (off_t)at);
  else if (me % 4 == 2) filled = readv(file, parts, 2);
  else {
    FILE *stream = fdopen(dup(file), "r");
    fseek(stream, (long)at, SEEK_SET);
    filled = (ssize_t)fread(bytes + at, 1, part, stream);
    fclose(stream);
  }
  CHECK(filled == (ssize_t)part, "read(2) into shared memory");
  meet(set);
  wrong = 0;
  for (size_t i = 0; i < part * (size_t)all; i++) wrong += bytes[i] != (char)(i * 17);
  CHECK(wrong == 0, "what all have read from their files");
  free(own);
  close(file);
  meet(set);
}

// Two processes tell each other by a socket what is ready.
static void sockets(int *cells, int set) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "merino-habits-%x", (unsigned)first_key);
  int listening = -1, connection = -1;
  if (all < 2) return;
  if (me == 0) {
    NEED(listening = socket(AF_UNIX, SOCK_STREAM, 0));
    NEED(bind(listening, (struct sockaddr *)&address, sizeof address));
    NEED(listen(listening, 1));
  }
  meet(set);
  if (me == 0) NEED(connection = accept(listening, NULL, NULL));
  if (me == 1) {
    NEED(connection = socket(AF_UNIX, SOCK_STREAM, 0));
    NEED(connect(connection, (struct sockaddr *)&address, sizeof address));
  }
  int wrong = 0;
  for (int i = 0; me < 2 && i < 100; i++) {
    char byte = 0;
    if (i % 2 == me) {
      cells[1024 * (i % 5)] = i;
      if (i % 3 == 0) NEED(write(connection, &byte, 1));
      else NEED(send(connection, &byte, 1, 0));
    } else {
      if (i % 5 < 2) NEED(read(connection, &byte, 1));
      else NEED(recv(connection, &byte, 1, 0));
      wrong += cells[1024 * (i % 5)] != i;
    }
  }
  if (me < 2) CHECK(wrong == 0, "a message by a socket orders what is around it");
  close(connection);
  close(listening);
  meet(set);
}

// A lock on a file around a counter, by each of the three calls.
static void file_locks(int *counter, int set) {
  char name[64];
  snprintf(name, sizeof name, "/tmp/merino-habits-%x", (unsigned)first_key);
  int file = open(name, O_RDWR | O_CREAT, 0600);
  NEED(file);
  meet(set);
  for (int i = 0; i < 60; i++) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET},
                 none = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    int how = i / 20;
    if (how == 0) NEED(flock(file, LOCK_EX));
    else if (how == 1) NEED(fcntl(file, F_SETLKW, &whole));
    else NEED(lockf(file, F_LOCK, 0));
    counter[how]++;
    if (how == 0) NEED(flock(file, LOCK_UN));
    else if (how == 1) NEED(fcntl(file, F_SETLK, &none));
    else NEED(lockf(file, F_ULOCK, 0));
  }
  meet(set);
  CHECK(counter[0] == 20 * all && counter[1] == 20 * all && counter[2] == 20 * all,
        "counters behind locks on a file");
  close(file);
  unlink(name);
  meet(set);
}

// Other programs are started from this one.
static void others(int set) {
  CHECK(system("exit 7") == 7 << 8, "system(3)");
  FILE *stream = popen("echo hello", "r");
  char line[16] = "";
  CHECK(stream != NULL && fgets(line, sizeof line, stream) != NULL && strcmp(line, "hello\n") == 0,
        "popen(3)");
  pclose(stream);
  meet(set);
}

int main(int count, char **arguments) {
  (void)count;
  begin(arguments);
  int set = meeting(), id;
  NEED(id = shmget(first_key + 1, BYTES, IPC_CREAT | 0600));
  char *bytes = shmat(id, NULL, 0);
  NEED(bytes);
  polling((volatile int *)bytes, set);
  files(bytes, set);
  sockets((int *)bytes, set);
  if (me == 0) memset(bytes, 0, BYTES);
  meet(set);
  file_locks((int *)bytes, set);
  others(set);
  NEED(shmdt(bytes));
  if (me == 0) NEED(shmctl(id, IPC_RMID, NULL));
  part(set);
  return end();
}
