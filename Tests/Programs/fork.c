// fork() in a node: a child that touches shared memory is told so and ends as by any bad address; its calls
// say so; whatever it does, the job goes on, over host and verbs. And starting other programs works, in every
// way.
#define _GNU_SOURCE
#include "check.h"
#include "process.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

enum { pages = 16, words_of_page = 512 };
/// Shared words, the same on all nodes; a second view of a segment, at an address of its own.
static uint64_t *words;
static volatile unsigned char *elsewhere;
static char said[4096];

/// What a child does; its exit code.
typedef int (*act)(void);

static pid_t by_fork(void) { return fork(); }
/// As a library does that makes processes past glibc: its hooks for fork() do not run.
static pid_t by_clone(void) { return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL); }

/// Runs `body` in a child, with what it writes to standard error in `said`; the child's status.
static int in_child(pid_t (*make)(void), act body) {
  int ends[2], status = -1;
  if (pipe(ends) != 0) return -1;
  pid_t child = make();
  if (child == 0) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    // Nobody's backtrace between the message and the end.
    signal(SIGABRT, SIG_DFL);
    dup2(ends[1], 2);
    _exit(body());
  }
  close(ends[1]);
  size_t used = 0;
  ssize_t got;
  while ((got = read(ends[0], said + used, sizeof said - 1 - used)) > 0) used += (size_t)got;
  said[used] = 0;
  close(ends[0]);
  waitpid(child, &status, 0);
  return status;
}

static volatile void *target;
static int reads(void) { return *(volatile unsigned char *)target == 0 ? 0 : 1; }
static int writes(void) { return *(volatile unsigned char *)target = 1, 0; }
static int grandchild_reads(void) {
  int status;
  pid_t child = fork();
  if (child == 0) _exit(reads());
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) kill(getpid(), WTERMSIG(status));
  return 0;
}

/// The child ends by SIGSEGV, after one sentence with the node and the address.
static void check_refused(int status, const char *name) {
  char node[64], address[64];
  snprintf(node, sizeof node, "child made by fork() of node %d ", check_node);
  snprintf(address, sizeof address, "shared memory at 0x%lx,", (unsigned long)(uintptr_t)target);
  char *line = strstr(said, "merino: process ");
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, name);
  CHECK(line != NULL && strstr(line, node) != NULL && strstr(line, address) != NULL &&
            strstr(line + 1, "merino: process ") == NULL,
        "in one sentence with the node and the address");
}

static void touching(void) {
  const struct {
    volatile void *at;
    const char *name;
  } places[] = {
      {words, "a page that the parent has written"},
      {words + (pages - 1) * words_of_page, "a page that the parent has never touched"},
      {elsewhere, "a view attached elsewhere"},
      {elsewhere + 4096, "the second page of that view"},
  };
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    target = places[i].at;
    check_refused(in_child(by_fork, reads), places[i].name);
    check_refused(in_child(by_fork, writes), places[i].name);
    check_refused(in_child(by_clone, reads), places[i].name);
  }
  target = words;
  check_refused(in_child(by_fork, grandchild_reads), "a grandchild");
}

static volatile sig_atomic_t faults;
static void *volatile page_of_child;
static void own_handler(int signal, siginfo_t *info, void *context) {
  if (merino_handle_fault(signal, info, context) == 1) _exit(50);
  if (++faults > 3) _exit(51);
  // Something of the child's own, where its parent has shared memory.
  page_of_child = mmap((void *)((uintptr_t)info->si_addr & ~(uintptr_t)4095), 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static int handles_faults(void) {
  struct sigaction action = {0};
  action.sa_sigaction = own_handler;
  action.sa_flags = SA_SIGINFO;
  sigfillset(&action.sa_mask);
  sigaction(SIGSEGV, &action, NULL);
  *(volatile unsigned char *)target = 77;
  ((volatile unsigned char *)target)[2 * 4096] = 78;
  // Its own from now on: a fault there is no touch of shared memory.
  mprotect(page_of_child, 4096, PROT_NONE);
  ((volatile unsigned char *)target)[2 * 4096] = 79;
  return faults == 3 && *(volatile unsigned char *)target == 77 ? 60 : 61;
}

static int calls(void) {
  int wrong = 0;
  merino_lock_t lock;
  wrong += merino_node() != MERINO_EFORKED || strstr(merino_last_error(), "fork()") == NULL;
  wrong += merino_init() != MERINO_EFORKED || merino_finalize() != MERINO_EFORKED;
  wrong += merino_lock_create(&lock) != MERINO_EFORKED || merino_barrier() != MERINO_EFORKED;
  wrong += merino_malloc(8) != NULL || merino_handle_fault(SIGSEGV, NULL, NULL) != 0;
  merino_free(words);
  return wrong == 0 ? 62 : 63;
}
static int leaves(void) { exit(64); }
static int aborts(void) { merino_abort(65); }
static int dies(void) { return kill(getpid(), SIGKILL); }

static int exits_with(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }

static void calling(void) {
  target = words;
  CHECK(exits_with(in_child(by_fork, handles_faults), 60), "a child's own handler goes on");
  char *first = strstr(said, "merino: process ");
  CHECK(first != NULL && strstr(first + 1, "merino: process ") == NULL, "and is told once");
  CHECK(exits_with(in_child(by_fork, calls), 62), "a child's calls give MERINO_EFORKED");
  CHECK(exits_with(in_child(by_clone, calls), 62), "those of a clone's too");
  CHECK(exits_with(in_child(by_fork, leaves), 64), "a child that exits");
  CHECK(exits_with(in_child(by_fork, aborts), 65), "merino_abort ends the child");
  int status = in_child(by_fork, dies);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "a child that is killed");
}

static int execs(void) {
  execl("/bin/sh", "sh", "-c", "exit 66", (char *)NULL);
  return 67;
}

static void starting_programs(void) {
  CHECK(exits_with(in_child(by_fork, execs), 66), "fork and exec");
  CHECK(exits_with(in_child(vfork, execs), 66), "vfork and exec");
  CHECK(exits_with(system("exit 68"), 68), "system()");
  char *arguments[] = {"sh", "-c", "exit 69", NULL};
  pid_t child;
  int status = -1;
  if (posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0) waitpid(child, &status, 0);
  CHECK(exits_with(status, 69), "posix_spawn");
  char line[32] = "";
  FILE *output = popen("echo from a program", "r");
  char *read = output != NULL ? fgets(line, sizeof line, output) : NULL;
  CHECK(read != NULL && strcmp(line, "from a program\n") == 0 && pclose(output) == 0, "popen");
}

/// All nodes write, and see what the others wrote; `round` makes the values differ each time.
static void all_see_all(uint64_t round, const char *name) {
  int wrong = 0, nodes = merino_nodes();
  for (int page = 0; page < pages - 1; page++)
    words[page * words_of_page + check_node] = round * 1000 + (uint64_t)page;
  NEED(merino_barrier());
  for (int page = 0; page < pages - 1; page++) {
    for (int n = 0; n < nodes; n++) wrong += words[page * words_of_page + n] != round * 1000 + (uint64_t)page;
  }
  NEED(merino_barrier());
  CHECK(wrong == 0, name);
}

static int stop;
static merino_lock_t lock;
static uint64_t added;

/// Works on shared memory, with faults and locks, while the other thread forks.
static void *work(void *counter) {
  while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
    NEED(merino_lock_acquire(lock));
    ++*(volatile uint64_t *)counter;
    added++;
    NEED(merino_lock_release(lock));
  }
  return NULL;
}

static int looks_at_private_memory(void) { return added < UINT64_MAX ? 0 : 1; }

static void forking_at_work(void) {
  uint64_t *counter = words + (pages - 2) * words_of_page + 64, mine, all;
  NEED(merino_barrier());
  if (check_node == 0) NEED(merino_lock_create_named("work", &lock));
  NEED(merino_barrier());
  if (check_node != 0) NEED(merino_lock_create_named("work", &lock));
  pthread_t thread = start(work, counter);
  int wrong = 0;
  for (int i = 0; i < 20; i++) wrong += !exits_with(in_child(by_fork, looks_at_private_memory), 0);
  __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
  CHECK(wrong == 0, "children that leave shared memory alone");
  mine = added;
  all = mine;
  NEED(merino_allreduce_u64(&all, 1, MERINO_SUM));
  CHECK(mine > 0 && *counter == all, "a thread that works meanwhile loses nothing");
  NEED(merino_barrier());
}

/// Pinned pages stay the node's: the kernel writes into them, and everybody sees it.
static void pinned(void) {
  unsigned char *place = (unsigned char *)(words + (size_t)check_node * words_of_page + 128);
  NEED(merino_pin(place, 64, PROT_READ | PROT_WRITE));
  int status = in_child(by_fork, looks_at_private_memory), zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  memset(place, 1, 64);
  CHECK(exits_with(status, 0) && read(zeros, place, 32) == 32 && place[31] == 0 && place[32] == 1,
        "read(2) into a pinned page behind a fork");
  close(zeros);
  NEED(merino_unpin(place, 64));
  NEED(merino_barrier());
  int wrong = 0;
  for (int n = 0; n < merino_nodes(); n++) {
    const unsigned char *theirs = (const unsigned char *)(words + (size_t)n * words_of_page + 128);
    wrong += theirs[31] != 0 || theirs[32] != 1;
  }
  CHECK(wrong == 0, "and everybody sees it");
  NEED(merino_barrier());
}

int main(void) {
  join_job();
  words = merino_collective_malloc((pages + 1) * words_of_page * sizeof *words, 0);
  if (words == NULL) merino_abort(3);
  words = (uint64_t *)(((uintptr_t)words + 4095) & ~(uintptr_t)4095);
  char name[32];
  merino_segment_t segment;
  snprintf(name, sizeof name, "own %d", check_node);
  NEED(merino_segment_create(name, 2 * 4096, NULL, &segment));
  void *free_place = mmap(NULL, 2 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *view;
  munmap(free_place, 2 * 4096);
  NEED(merino_segment_attach(segment, free_place, PROT_READ | PROT_WRITE, &view));
  elsewhere = view;
  elsewhere[0] = 5;
  all_see_all(1, "before any fork");
  touching();
  all_see_all(2, "after children that touched shared memory");
  calling();
  all_see_all(3, "after children that called Merino");
  starting_programs();
  all_see_all(4, "after other programs");
  forking_at_work();
  pinned();
  CHECK(elsewhere[0] == 5, "the view attached elsewhere");
  // A child that lives on while its parent leaves, and has the parent's descriptors.
  int ends[2];
  NEED(pipe(ends));
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(ends[1]);
    _exit(read(ends[0], &byte, 1) == 0 && merino_node() == MERINO_EFORKED ? 70 : 71);
  }
  NEED(merino_barrier());
  int code = leave_job(), status = 0;
  close(ends[1]);
  waitpid(child, &status, 0);
  CHECK(exits_with(status, 70), "a child that lives longer than the job");
  CHECK_CODE(merino_node(), MERINO_ENOTINIT, "the parent has left");
  return code | (check_failures != 0);
}
