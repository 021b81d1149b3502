// What such programs do besides: they poll, they read and write files right into shared memory, talk by sockets, lock
// files, handle signals.
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "check.h"

enum { BYTES = 64 * 1024 };

// One sets a flag, the others sleep until they see it. What was written before the flag needs a sleep on either side:
// before the flag is set, and after it is seen (docs/system-v.md).
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
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET}, none = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
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
  CHECK(counter[0] == 20 * all && counter[1] == 20 * all && counter[2] == 20 * all, "counters behind locks on a file");
  close(file);
  unlink(name);
  meet(set);
}

static sigjmp_buf back;
static volatile int handled;
static void on_fault(int number) {
  handled = number;
  siglongjmp(back, 1);
}
static char *touched;
static volatile int seen;
static void on_user(int number) {
  (void)number;
  seen = touched[5 * 4096];
}

// Pages are fetched while all signals are blocked, and within a handler that blocks all; a SIGSEGV of the program's own
// goes to its handler, old or new.
static void signals(char *bytes, int set) {
  sigset_t every, before;
  sigfillset(&every);
  meet(set);
  if (me == 0) memset(bytes, 42, BYTES);
  meet(set);
  NEED(sigprocmask(SIG_BLOCK, &every, &before));
  CHECK(bytes[9 * 4096] == 42, "read with all signals blocked");
  bytes[10 * 4096 + me] = 43;
  NEED(sigprocmask(SIG_SETMASK, &before, NULL));
  struct sigaction action = {.sa_handler = on_user};
  sigfillset(&action.sa_mask);
  NEED(sigaction(SIGUSR1, &action, NULL));
  touched = bytes;
  raise(SIGUSR1);
  CHECK(seen == 42, "read within a handler");
  NEED(signal(SIGSEGV, on_fault));
  char *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (sigsetjmp(back, 1) == 0) nowhere[0] = 1;
  CHECK(handled == SIGSEGV, "the program's handler gets what is its own");
  CHECK(bytes[12 * 4096] == 42, "and pages are fetched still");
  NEED(signal(SIGSEGV, SIG_DFL));
  CHECK(bytes[13 * 4096] == 42, "also with the default");
  munmap(nowhere, 4096);
  meet(set);
}

static void on_alarm(int number) { handled = number; }

static void on_alarm_jump(int number) {
  (void)number;
  siglongjmp(back, 1);
}

static int ends_of_pipe[2];
static void on_alarm_write(int number) {
  (void)number;
  // The usual way to tell a loop of poll(2).
  ssize_t written = write(ends_of_pipe[1], "x", 1);
  (void)written;
}

// A handler that leaves a wait by siglongjmp, which leaves nothing of the wait behind; one that writes to a pipe.
static void handlers(int *cells, int set) {
  int own;
  struct sembuf down = {0, -1, 0};
  struct sigaction jump = {.sa_handler = on_alarm_jump}, tell = {.sa_handler = on_alarm_write};
  NEED(own = semget(IPC_PRIVATE, 1, 0600));
  NEED(sigaction(SIGALRM, &jump, NULL));
  if (sigsetjmp(back, 1) == 0) {
    alarm(1);
    semop(own, &down, 1);
    CHECK(0, "a wait that nobody ends");
  }
  CHECK(semctl(own, 0, GETNCNT) == 0, "left by siglongjmp: nobody waits");
  CHECK(change(own, 0, 1, 0) == 0 && semop(own, &down, 1) == 0, "and the semaphore is good");
  NEED(semctl(own, 0, IPC_RMID));
  NEED(pipe(ends_of_pipe));
  NEED(sigaction(SIGALRM, &tell, NULL));
  cells[me] = 0;
  ualarm(1000, 1000);
  for (int i = 0; i < 300; i++) {
    NEED(change(set, 3, 1, 0));
    NEED(change(set, 3, -1, 0));
    cells[me]++;
  }
  ualarm(0, 0);
  char byte;
  usleep(2000);
  CHECK(cells[me] == 300, "handlers that write to a pipe in the middle of everything");
  raise(SIGALRM);
  CHECK(read(ends_of_pipe[0], &byte, 1) == 1, "and are heard");
  close(ends_of_pipe[0]);
  close(ends_of_pipe[1]);
  meet(set);
}

// A small stack for handlers, as programs have it: what serves a page fault is larger.
static void small_stack(char *bytes, int set) {
  static char memory[8192];
  stack_t small = {.ss_sp = memory, .ss_size = sizeof memory}, found;
  NEED(sigaltstack(&small, NULL));
  NEED(sigaltstack(NULL, &found));
  CHECK(found.ss_sp == memory && found.ss_size == sizeof memory, "sigaltstack");
  memset(memory, 0x55, sizeof memory);
  if (me == 0) memset(bytes, 99, BYTES);
  meet(set);
  CHECK(bytes[8 * 4096] == 99, "pages come with a small stack");
  int touched_bytes = 0;
  for (size_t i = 0; i < sizeof memory; i++) touched_bytes += memory[i] != 0x55;
  CHECK(touched_bytes == 0 || all == 1, "without it");
  stack_t none = {.ss_flags = SS_DISABLE};
  NEED(sigaltstack(&none, &found));
  CHECK(found.ss_sp == memory, "the one that was set");
  meet(set);
}

// A handler ends the wait for a semaphore.
static void interruptions(sem_t *semaphore, int set) {
  int own;
  struct sigaction action = {.sa_handler = on_alarm}, old;
  NEED(sigaction(SIGALRM, &action, NULL));
  NEED(own = semget(IPC_PRIVATE, 1, 0600));
  struct timespec limit = {20, 0}, due;
  struct sembuf down = {0, -1, 0};
  handled = 0;
  alarm(1);
  CHECK_FAILS(semtimedop(own, &down, 1, &limit), EINTR, "semop, interrupted");
  CHECK(handled == SIGALRM, "by the handler");
  NEED(sigaction(SIGALRM, NULL, &old));
  CHECK(old.sa_handler == on_alarm && !(old.sa_flags & SA_SIGINFO), "sigaction gives the program's handler");
  CHECK(signal(SIGALRM, on_alarm) == on_alarm, "and so does signal");
  clock_gettime(CLOCK_REALTIME, &due);
  due.tv_sec += 20;
  semaphore += me;
  NEED(sem_init(semaphore, 1, 0));
  alarm(1);
  CHECK_FAILS(sem_timedwait(semaphore, &due), EINTR, "sem_timedwait, interrupted");
  clock_gettime(CLOCK_REALTIME, &due);
  due.tv_sec += 1;
  CHECK_FAILS(sem_timedwait(semaphore, &due), ETIMEDOUT, "and not, after its time");
  NEED(semctl(own, 0, IPC_RMID));
  NEED(sem_destroy(semaphore));
  meet(set);
}

// Other programs are started from this one.
static void others(int set) {
  CHECK(system("exit 7") == 7 << 8, "system(3)");
  FILE *stream = popen("echo hello", "r");
  char line[16] = "";
  CHECK(stream != NULL && fgets(line, sizeof line, stream) != NULL && strcmp(line, "hello\n") == 0, "popen(3)");
  pclose(stream);
  meet(set);
}

int main(int count, char **arguments) {
  (void)count;
  begin(arguments);
  // Before anything of System V.
  signal(SIGSEGV, on_fault);
  int set = meeting(), id;
  struct sigaction early;
  NEED(sigaction(SIGSEGV, NULL, &early));
  CHECK(early.sa_handler == on_fault, "a handler that was set before is told of");
  NEED(id = shmget(first_key + 1, BYTES, IPC_CREAT | 0600));
  char *bytes = shmat(id, NULL, 0);
  NEED(bytes);
  polling((volatile int *)bytes, set);
  files(bytes, set);
  sockets((int *)bytes, set);
  if (me == 0) memset(bytes, 0, BYTES);
  meet(set);
  file_locks((int *)bytes, set);
  signals(bytes, set);
  interruptions((sem_t *)(bytes + 20000), set);
  handlers((int *)(bytes + 40000), set);
  small_stack(bytes, set);
  others(set);
  NEED(shmdt(bytes));
  if (me == 0) NEED(shmctl(id, IPC_RMID, NULL));
  part(set);
  return end();
}
