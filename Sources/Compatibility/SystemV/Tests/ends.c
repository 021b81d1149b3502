// What the end of a process brings to those that go on: its attachments are counted out, its files are closed
// and their locks gone. Process 0 is the last; the others end without detaching, closing or unlocking
// anything.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "check.h"

static int listening(struct sockaddr_un *address) {
  int file;
  NEED(file = socket(AF_UNIX, SOCK_STREAM, 0));
  NEED(bind(file, (struct sockaddr *)address, sizeof *address));
  NEED(listen(file, 8));
  return file;
}

int main(int count, char **arguments) {
  (void)count;
  begin(arguments);
  int set = meeting(), id, server = -1, client;
  char name[64], byte;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct shmid_ds found;
  snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "merino-ends-%x", (unsigned)first_key);
  snprintf(name, sizeof name, "/tmp/merino-ends-%x", (unsigned)first_key);
  NEED(id = shmget(first_key + 1, 8192, IPC_CREAT | 0600));
  int *shared = shmat(id, NULL, 0), file = open(name, O_RDWR | O_CREAT, 0600);
  NEED(shared);
  NEED(file);
  if (me == 0) server = listening(&address);
  meet(set);
  if (me == 1) {
    NEED(client = socket(AF_UNIX, SOCK_STREAM, 0));
    NEED(connect(client, (struct sockaddr *)&address, sizeof address));
    NEED(flock(file, LOCK_EX));
  }
  meet(set);
  shared[me + 1] = 7;
  part(set);
  // By exit, with everything as it is.
  if (me != 0) return end();
  if (all > 1) {
    NEED(client = accept(server, NULL, NULL));
    CHECK(read(client, &byte, 1) == 0, "the end of a process closes its sockets");
    CHECK(flock(file, LOCK_EX) == 0, "and gives its locks on files back");
  }
  for (found.shm_nattch = 0; found.shm_nattch != 1;) {
    NEED(shmctl(id, IPC_STAT, &found));
    usleep(1000);
  }
  CHECK(found.shm_nattch == 1, "and its attachments");
  usleep(1000);
  int seen = 0;
  for (int i = 0; i < all; i++) seen += shared[i + 1];
  CHECK(seen == 7 * all, "what it wrote stays");
  unlink(name);
  NEED(shmctl(id, IPC_RMID, NULL));
  return end();
}
