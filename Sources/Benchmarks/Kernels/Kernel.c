/* Runs a kernel: joins, starts the workers, times the region, has the result judged, and prints one line. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "Options.h"
#include "side.h"

static const struct kernel *kernel;
static struct options options;
static pthread_barrier_t meeting; /* of this process's workers */

/* The first worker's clock, and this node's counters, at the region's ends. */
static double began, ended;
static uint64_t before[COUNTED_NUMBERS], counted[COUNTED_NUMBERS];
/* Microseconds of this node's processors in the region: less disturbed than the clock by what else runs. */
static uint64_t processor;
static uint64_t cycles;                /* of this node's workers in the region */
static uint64_t checks, checks_failed; /* of the first node */
static _Thread_local int my_worker;

static double clock_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static uint64_t processor_microseconds(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  long seconds = used.ru_utime.tv_sec + used.ru_stime.tv_sec;
  return (uint64_t)(seconds * 1000000 + used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

/* One worker of each node looks at what is the node's. */
static int worker_is_first(void) { return my_worker % options.threads == 0; }

int workers_count(void) { return side_nodes() * (int)options.threads; }

struct span span_of(size_t total, int worker) {
  size_t count = (size_t)workers_count(), number = (size_t)worker;
  return (struct span){total * number / count, total * (number + 1) / count};
}

void *memory_allocate(size_t bytes) {
  void *block = side_allocate(bytes);
  if (block == NULL) side_abort();
  return block;
}

void *memory_private(size_t bytes) {
  void *block = malloc(bytes);
  if (block != NULL) return block;
  fprintf(stderr, "%s: no memory for %zu bytes\n", kernel->name, bytes);
  side_abort();
}

/* One of the node's threads meets the other nodes while the rest of them wait for it. */
void barrier_pass(void) {
  int is_last = options.threads == 1 || pthread_barrier_wait(&meeting) == PTHREAD_BARRIER_SERIAL_THREAD;
  if (!side_is_shared) return;
  if (is_last) side_meet();
  if (options.threads > 1) pthread_barrier_wait(&meeting);
}

void region_begin(void) {
  barrier_pass();
  lock_cycles = 0;
  if (worker_is_first()) {
    side_count(before);
    processor = processor_microseconds();
  }
  barrier_pass();
  /* Before the others are let go: who looks at the clock late finds their work done. */
  if (my_worker == 0) began = clock_seconds();
  barrier_pass();
}

void region_end(void) {
  barrier_pass();
  if (my_worker == 0) ended = clock_seconds();
  if (worker_is_first()) {
    side_count(counted);
    processor = processor_microseconds() - processor;
  }
  __atomic_fetch_add(&cycles, lock_cycles, __ATOMIC_RELAXED);
}

void result_expect(int good, const char *format, ...) {
  checks++;
  if (good) return;
  checks_failed++;
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "FAIL %s: ", kernel->name);
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  va_end(arguments);
}

static void *worker_run(void *number) {
  my_worker = side_node() * (int)options.threads + (int)(intptr_t)number;
  kernel->work(my_worker);
  return NULL;
}

/* This thread is the node's first worker. */
static void workers_run(void) {
  pthread_t threads[256];
  pthread_barrier_init(&meeting, NULL, (unsigned)options.threads);
  for (intptr_t i = 1; i < options.threads; i++) {
    if (pthread_create(&threads[i], NULL, worker_run, (void *)i) == 0) continue;
    fprintf(stderr, "%s: a thread could not be made\n", kernel->name);
    side_abort();
  }
  worker_run(0);
  for (int i = 1; i < options.threads; i++) pthread_join(threads[i], NULL);
  pthread_barrier_destroy(&meeting);
}

static void number_print(const char *name, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  printf(options.json ? ", \"%s\": " : " %s=", name);
  vprintf(format, arguments);
  va_end(arguments);
}

static void report_print(void) {
  static const char *const names[COUNTED_NUMBERS] = {
      "read_faults", "write_faults", "fetched", "twins", "diffs", "diff_bytes", "notices", "invalidations",
      "first_touches", "exclusive", "migrations", "overflows"};
  printf(options.json ? "{\"kernel\": \"%s\", \"side\": \"%s\"" : "kernel=%s side=%s", kernel->name,
         side_name);
  number_print("nodes", "%d", side_nodes());
  number_print("threads", "%ld", options.threads);
  for (const struct kernel_option *option = kernel->options; option->name != NULL; option++) {
    number_print(option->name, "%ld", *option->value);
  }
  number_print("seconds", "%.6f", ended - began);
  number_print("processor", "%.6f", 1e-6 * (double)processor);
  number_print("checks", "%lu", (unsigned long)checks);
  number_print("failed", "%lu", (unsigned long)checks_failed);
  number_print("locks", "%lu", (unsigned long)cycles);
  for (int i = 0; side_is_shared && i < COUNTED_NUMBERS; i++) {
    number_print(names[i], "%lu", (unsigned long)counted[i]);
  }
  printf(options.json ? "}\n" : "\n");
}

/* The first node judges; what it and the others counted is known to all. */
static void result_judge(void) {
  int is_first = side_node() == 0;
  if (is_first && options.spoil) kernel->spoil();
  if (is_first) kernel->verify();
  uint64_t sums[COUNTED_NUMBERS + 3];
  for (int i = 0; i < COUNTED_NUMBERS; i++) sums[i] = counted[i] - before[i];
  sums[COUNTED_NUMBERS] = cycles;
  sums[COUNTED_NUMBERS + 1] = checks_failed;
  sums[COUNTED_NUMBERS + 2] = processor;
  side_sum(sums, COUNTED_NUMBERS + 3);
  memcpy(counted, sums, sizeof counted);
  cycles = sums[COUNTED_NUMBERS];
  checks_failed = sums[COUNTED_NUMBERS + 1];
  processor = sums[COUNTED_NUMBERS + 2];
}

int kernel_main(int argc, char **argv, const struct kernel *chosen) {
  kernel = chosen;
  options = options_read(argc, argv, kernel);
  side_begin();
  kernel->prepare();
  if (side_node() == 0 && kernel->fill != NULL) kernel->fill();
  side_meet();
  workers_run();
  side_meet();
  result_judge();
  if (side_node() == 0) report_print();
  fflush(stdout);
  side_end();
  return checks_failed == 0 ? 0 : 1;
}
