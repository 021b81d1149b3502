// Mistakes in programs for TreadMarks, and ways to end: one for each name on the command line, most of them
// in the last process. treadmarks.table knows which sentence and exit code each should give.
#include <Tmk.h>

#include <pthread.h>
#include <sys/wait.h>

static long variable;
static __thread long of_thread;
static const long constant = 1;
static const long *const protected_pointer = &variable;
static long *shared;

static void before_startup(void) { Tmk_barrier(0); }
static void startup_twice(void) { Tmk_startup(0, NULL); }
static void no_lock(void) { Tmk_lock_acquire(TMK_NLOCKS); }
static void negative_lock(void) { Tmk_lock_release((unsigned)-1); }
static void no_barrier(void) { Tmk_barrier(TMK_NBARRIERS); }
static void no_condition(void) {
  Tmk_lock_acquire(3);
  Tmk_cond_wait(3, TMK_NCONDS);
}
static void acquire_twice(void) {
  Tmk_lock_acquire(3);
  Tmk_lock_acquire(3);
}
static void not_held(void) { Tmk_lock_release(3); }
static void wait_not_held(void) { Tmk_cond_wait(3, 1); }
static void arguments_swapped(void) {
  Tmk_lock_acquire(3);
  Tmk_cond_signal(1, 3);
}
static void broadcast_not_held(void) { Tmk_cond_broadcast(3, 1); }

static void distribute_stack(void) {
  long on_stack = 1;
  Tmk_distribute(&on_stack, sizeof on_stack);
}
static void distribute_heap(void) { Tmk_distribute(malloc(8), 8); }
static void distribute_shared(void) { Tmk_distribute(Tmk_malloc(8), 8); }
static void distribute_thread(void) { Tmk_distribute(&of_thread, sizeof of_thread); }
static void distribute_library(void) { Tmk_distribute(stdout, 8); }
static void distribute_constant(void) { Tmk_distribute((void *)(uintptr_t)&constant, sizeof constant); }
static void distribute_protected(void) {
  Tmk_distribute((void *)(uintptr_t)&protected_pointer, sizeof protected_pointer);
}
static void distribute_code(void) { Tmk_distribute((void *)(uintptr_t)&distribute_code, 8); }
static void distribute_too_much(void) { Tmk_distribute(&variable, (size_t)1 << 40); }
static void distribute_overflow(void) { Tmk_distribute(&variable, SIZE_MAX); }
static void distribute_number(void) { Tmk_distribute(&Tmk_proc_id, sizeof Tmk_proc_id); }

static void too_large(void) { (void)Tmk_malloc((size_t)1 << 60); }
static void free_private(void) { Tmk_free(&variable); }
static void free_twice(void) {
  void *block = Tmk_malloc(10);
  Tmk_free(block);
  Tmk_free(block);
}

static void exit_3(void) { Tmk_exit(3); }
static void exit_256(void) { Tmk_exit(256); }
static void libc_exit_7(void) { exit(7); }
// The others are told nothing: a child is not part of the job.
static void child(void) {
  pid_t pid = fork();
  if (pid == 0) exit(0);
  int status;
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) Tmk_exit(9);
}

static const struct {
  const char *name;
  void (*body)(void);
} cases[] = {
#define CASE(name) {#name, name}
  CASE(before_startup), CASE(startup_twice), CASE(no_lock), CASE(negative_lock), CASE(no_barrier),
  CASE(no_condition), CASE(acquire_twice), CASE(not_held), CASE(wait_not_held), CASE(arguments_swapped),
  CASE(broadcast_not_held), CASE(distribute_stack), CASE(distribute_heap), CASE(distribute_shared),
  CASE(distribute_thread), CASE(distribute_library), CASE(distribute_constant), CASE(distribute_protected),
  CASE(distribute_code), CASE(distribute_too_much), CASE(distribute_overflow), CASE(distribute_number),
  CASE(too_large), CASE(free_private), CASE(free_twice), CASE(exit_3), CASE(exit_256), CASE(libc_exit_7),
  CASE(child),
};

// Process 0 leaves at once; what it wrote and its locks are there for the others, who go on.
static int leave_early(void) {
  enum { COUNT = 100000 };
  if (Tmk_proc_id == 0) {
    shared = (long *)Tmk_malloc(COUNT * sizeof *shared);
    for (long i = 0; i < COUNT; i++) shared[i] = i;
    Tmk_distribute(&shared, sizeof shared);
  }
  Tmk_barrier(0);
  if (Tmk_proc_id == 0) Tmk_exit(0);
  long wrong = 0;
  for (long i = 1; i < COUNT; i++) wrong += shared[i] != i;
  for (int i = 0; i < 100; i++) {
    Tmk_lock_acquire(9);
    if (++shared[0] == 100 * ((long)Tmk_nprocs - 1)) printf("COUNTED %ld, %ld wrong\n", shared[0], wrong);
    Tmk_lock_release(9);
  }
  return wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  void (*body)(void) = NULL;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (strcmp(cases[i].name, name) == 0) body = cases[i].body;
  }
  if (body == before_startup) body();
  Tmk_startup(argc, argv);
  if (strcmp(name, "leave_early") == 0) return leave_early();
  if (strcmp(name, "leave_before_barrier") == 0) {
    Tmk_barrier(0);
    if (Tmk_proc_id == 0) return 0;
    Tmk_barrier(0);
    Tmk_barrier(0);
    return 0;
  }
  if (strcmp(name, "distribute_zero") == 0) {
    Tmk_distribute(NULL, 0);
    return 0;
  }
  if (strcmp(name, "distribute_variable") == 0) {
    if (Tmk_proc_id == 0) Tmk_distribute(&variable, sizeof variable);
    Tmk_barrier(0);
    return 0;
  }
  if (body == NULL) {
    fprintf(stderr, "misuse: there is no case %s\n", name);
    return 2;
  }
  if (Tmk_proc_id == Tmk_nprocs - 1) body();
  Tmk_barrier(0);
  printf("the job went on\n");
  Tmk_exit(0);
}
