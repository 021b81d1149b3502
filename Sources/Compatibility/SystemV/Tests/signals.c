// Signals: page faults come while they are blocked and in handlers, the program keeps its own SIGSEGV, and
// handlers end waits.
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "check.h"

enum { BYTES = 64 * 1024 };

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

// Pages are fetched while all signals are blocked, and within a handler that blocks all; a SIGSEGV of the
// program's own goes to its handler, old or new.
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

// A handler that leaves a wait by siglongjmp, which leaves nothing of the wait behind; one that writes to a
// pipe.
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
  signals(bytes, set);
  interruptions((sem_t *)(bytes + 20000), set);
  handlers((int *)(bytes + 40000), set);
  small_stack(bytes, set);
  NEED(shmdt(bytes));
  if (me == 0) NEED(shmctl(id, IPC_RMID, NULL));
  part(set);
  return end();
}
