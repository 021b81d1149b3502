/*
 * workqueue: node 0 puts tasks into a bounded queue in shared memory, threads of all nodes take them out.
 *
 *   merino run -n 4 -- out/examples/workqueue [TASKS [THREADS]]
 *
 * The queue is a ring with a lock and two condition variables, written as for threads of one process. Each task
 * counts the steps of a Collatz sequence; its result goes into a shared array. Node 0 checks every
 * result, and that every task was done exactly once.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <merino.h>

enum { ROOM = 32, NO_MORE = -1 };

/* Shared by all nodes. */
struct queue {
  merino_lock_t lock;
  merino_cond_t not_empty, not_full;
  long head, count;
  int64_t tasks[ROOM];
};

struct job {
  struct queue *queue;
  uint32_t *results;    /* of each task */
  uint64_t *times_done; /* how often each was done: atomics only */
  uint64_t *done;       /* tasks done in all: atomics only */
};

static void must(int result, const char *what) {
  if (result == MERINO_SUCCESS) return;
  fprintf(stderr, "%s: %s\n", what, merino_last_error());
  merino_abort(2);
}

static void put(struct queue *queue, int64_t task) {
  must(merino_lock_acquire(queue->lock), "lock");
  while (queue->count == ROOM) must(merino_cond_wait(queue->not_full, queue->lock), "wait for room");
  queue->tasks[(queue->head + queue->count++) % ROOM] = task;
  must(merino_cond_signal(queue->not_empty), "signal");
  must(merino_lock_release(queue->lock), "unlock");
}

static int64_t take(struct queue *queue) {
  must(merino_lock_acquire(queue->lock), "lock");
  while (queue->count == 0) must(merino_cond_wait(queue->not_empty, queue->lock), "wait for a task");
  int64_t task = queue->tasks[queue->head];
  queue->head = (queue->head + 1) % ROOM;
  queue->count--;
  must(merino_cond_signal(queue->not_full), "signal");
  must(merino_lock_release(queue->lock), "unlock");
  return task;
}

static uint32_t collatz(int64_t task) {
  uint32_t steps = 0;
  for (uint64_t n = (uint64_t)task + 1; n != 1; steps++) n = n % 2 == 0 ? n / 2 : 3 * n + 1;
  return steps;
}

static void *work(void *argument) {
  struct job *job = argument;
  for (int64_t task; (task = take(job->queue)) != NO_MORE;) {
    job->results[task] = collatz(task);
    must(merino_atomic_fetch_add_u64(&job->times_done[task], 1, NULL), "count the task");
    must(merino_atomic_fetch_add_u64(job->done, 1, NULL), "count all tasks");
  }
  return NULL;
}

static void *allocate(size_t count, size_t bytes) {
  void *block = merino_collective_malloc(count * bytes, 0);
  if (block == NULL) must(MERINO_ENOMEM, "allocate");
  return block;
}

static uint64_t count_wrong(const struct job *job, long tasks) {
  uint64_t wrong = 0, all = 0, times = 0;
  for (long task = 0; task < tasks; task++) {
    must(merino_atomic_load_u64(&job->times_done[task], &times), "read a count");
    wrong += job->results[task] != collatz(task) || times != 1;
  }
  must(merino_atomic_load_u64(job->done, &all), "read the count");
  return wrong + (all != (uint64_t)tasks);
}

int main(int argc, char **argv) {
  long tasks = argc > 1 ? atol(argv[1]) : 1000, threads = argc > 2 ? atol(argv[2]) : 2;
  if (tasks < 1 || threads < 1 || threads > 64) {
    fprintf(stderr, "usage: workqueue [TASKS [THREADS]], THREADS at most 64\n");
    return 2;
  }
  must(merino_init(), "join");
  int me = merino_node(), nodes = merino_nodes();
  struct job job = { allocate(1, sizeof(struct queue)), allocate((size_t)tasks, sizeof(uint32_t)),
                     allocate((size_t)tasks, sizeof(uint64_t)), allocate(1, sizeof(uint64_t)) };
  if (me == 0) {
    must(merino_lock_create(&job.queue->lock), "make the lock");
    must(merino_cond_create(&job.queue->not_empty), "make a condition");
    must(merino_cond_create(&job.queue->not_full), "make a condition");
  }
  must(merino_barrier(), "barrier");

  pthread_t workers[64];
  for (long i = 0; i < threads; i++) {
    if (pthread_create(&workers[i], NULL, work, &job) != 0) merino_abort(2);
  }
  if (me == 0) {
    for (int64_t task = 0; task < tasks; task++) put(job.queue, task);
    for (long i = 0; i < threads * nodes; i++) put(job.queue, NO_MORE);
  }
  for (long i = 0; i < threads; i++) pthread_join(workers[i], NULL);
  must(merino_barrier(), "barrier");

  uint64_t wrong = me == 0 ? count_wrong(&job, tasks) : 0;
  must(merino_broadcast(&wrong, sizeof wrong, 0), "tell the result");
  if (me == 0) {
    printf("%s workqueue: %d nodes of %ld threads, %ld tasks: %" PRIu64 " wrong\n", wrong ? "FAIL" : "PASS",
           nodes, threads, tasks, wrong);
  }
  must(merino_finalize(), "leave");
  return wrong ? 1 : 0;
}
