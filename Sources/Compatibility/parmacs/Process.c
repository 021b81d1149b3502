/* Processes: joining, CREATE, WAIT_FOR_END, and every way to end. Node 0 runs the main program. The others never run
 * main: they join and wait before it, so that only the main program reads its input and prints, and each serves one
 * CREATE after another. */
#include "Runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

enum command { RUN = 1, LEAVE = 2 };

/* A process that waits for CREATE, in shared memory. */
struct worker {
  merino_event_t start, received, finished;
  int command;    /* written by the main program before `start` */
  uint64_t ended; /* how many functions it has finished: written by the worker before `finished` */
  void (*function)(void);
};

struct control {
  struct identity identity;
  struct image image;
  struct worker workers[];
};

/* What the main program knows about a worker. */
struct charge {
  int busy;
  uint64_t started;
};

RUNTIME_STATE static struct control *control = NULL;
RUNTIME_STATE static int node = 0, nodes = 1, joined = 0, begun = 0, in_function = 0;
RUNTIME_STATE static struct charge *charges = NULL;

int merino_parmacs_process(void) { return node; }

unsigned long merino_parmacs_clock(void) {
  struct timeval now;
  gettimeofday(&now, NULL);
  return (unsigned long)now.tv_sec * 1000000 + (unsigned long)now.tv_usec;
}

static void set_event(merino_event_t event, const char *what, const char *file, int line) {
  parmacs_expect(merino_event_set(event), what, file, line);
}

/* Waits for an event that only this process waits for, and clears it for the next time. */
static void take_event(merino_event_t event, const char *what, const char *file, int line) {
  parmacs_expect(merino_event_wait(event), what, file, line);
  parmacs_expect(merino_event_clear(event), what, file, line);
}

/* ---- Workers */

MERINO_NORETURN static void leave(void) {
  fflush(NULL);
  int result = merino_finalize();
  if (result != MERINO_SUCCESS) fprintf(stderr, "parmacs, node %d: leaving the job: %s\n", node, merino_last_error());
  fflush(NULL);
  /* The program's exit handlers are the main program's business. */
  _exit(result == MERINO_SUCCESS ? 0 : 1);
}

static void finish_function(void) {
  struct worker *me = &control->workers[node];
  in_function = 0;
  /* What it printed comes before what the main program prints after WAIT_FOR_END. */
  fflush(NULL);
  me->ended++;
  set_event(me->finished, "the end of a created process", NULL, 0);
}

MERINO_NORETURN static void serve(void) {
  struct worker *me = &control->workers[node];
  for (;;) {
    /* Where the main program dies, its launcher tells. */
    if (merino_event_wait(me->start) < 0 || merino_event_clear(me->start) < 0) _exit(1);
    if (me->command == LEAVE) leave();
    parmacs_image_apply(&control->image);
    set_event(me->received, "CREATE, in the new process", NULL, 0);
    in_function = 1;
    me->function();
    finish_function();
  }
}

/* ---- exit */

/* 1 where every created process has come to its end, waited for or not. */
static int all_finished(void) {
  if (merino_fence_acquire() < 0) return 0;
  for (int i = 1; i < nodes; i++) {
    if (charges[i].busy && control->workers[i].ended != charges[i].started) return 0;
  }
  return 1;
}

static void leave_exit_handler(int status, void *context);

static void watch_exit(void) {
  if (on_exit(leave_exit_handler, NULL) != 0) parmacs_fail(NULL, 0, "on_exit: no memory");
}

/* exit() or the end of main. In the main program it ends the job, and the created processes with it, as the end of a
 * process ends its threads. In a created process exit(0) ends that one only, as the end of a child does. */
static void leave_exit_handler(int status, void *context) {
  (void)context;
  /* A fork of a node is not in the job. */
  if (!joined || merino_node() < 0) return;
  fflush(NULL);
  if (node != 0) {
    if (status != 0) {
      fprintf(stderr, "parmacs, node %d: a created process called exit(%d), which ends the program\n", node, status);
      merino_abort(status & 255);
    }
    watch_exit();
    if (in_function) finish_function();
    serve();
  }
  if (status != 0 || !all_finished()) merino_abort(status & 255);
  for (int i = 1; i < nodes; i++) {
    control->workers[i].command = LEAVE;
    set_event(control->workers[i].start, "MAIN_END", NULL, 0);
  }
  parmacs_expect(merino_finalize(), "MAIN_END", NULL, 0);
  joined = 0;
}

/* ---- Joining */

static void make_events(struct worker *worker) {
  parmacs_expect(merino_event_create(&worker->start), "joining", NULL, 0);
  parmacs_expect(merino_event_create(&worker->received), "joining", NULL, 0);
  parmacs_expect(merino_event_create(&worker->finished), "joining", NULL, 0);
}

/* The last constructor of the executable, where its library is linked last: main has not begun. */
__attribute__((constructor)) static void join(void) {
  struct identity identity;
  parmacs_identity_take(&identity);
  parmacs_program_find();
  if (merino_init() != MERINO_SUCCESS) {
    fprintf(stderr, "parmacs: joining the job: %s\n", merino_last_error());
    _exit(1);
  }
  node = merino_node();
  nodes = merino_nodes();
  control = merino_collective_malloc(sizeof *control + (size_t)nodes * sizeof control->workers[0], 0);
  charges = parmacs_private_memory(NULL, 0, (size_t)nodes * sizeof *charges);
  if (control == NULL) parmacs_fail(NULL, 0, "joining: %s", merino_last_error());
  if (node == 0) control->identity = identity;
  make_events(&control->workers[node]);
  parmacs_expect(merino_barrier(), "joining", NULL, 0);
  parmacs_identity_compare(&control->identity, &identity);
  /* No pointer is used before all have compared. */
  parmacs_expect(merino_barrier(), "joining", NULL, 0);
  joined = 1;
  watch_exit();
  if (node != 0) serve();
}

void merino_parmacs_begin(const char *file, int line) {
  if (node != 0) parmacs_fail(file, line, "MAIN_INITENV in a created process: it belongs into the main program");
  if (begun) parmacs_fail(file, line, "MAIN_INITENV for the second time");
  begun = 1;
}

void merino_parmacs_end(const char *file, int line) {
  if (node != 0) parmacs_fail(file, line, "MAIN_END in a created process: it belongs into the main program");
  exit(0);
}

/* ---- CREATE and WAIT_FOR_END */

static void wait_for(int worker, const char *file, int line) {
  take_event(control->workers[worker].finished, "WAIT_FOR_END", file, line);
  charges[worker].busy = 0;
}

/* Sends worker `number` off. */
static void start(int number, void (*function)(void), const char *file, int line) {
  struct worker *worker = &control->workers[number];
  worker->command = RUN;
  worker->function = function;
  charges[number].busy = 1;
  charges[number].started++;
  set_event(worker->start, "CREATE", file, line);
}

void merino_parmacs_create(void (*function)(void), long processes, const char *file, int line) {
  if (node != 0) parmacs_fail(file, line, "CREATE in a created process: only the main program may call it");
  if (!begun) parmacs_fail(file, line, "CREATE before MAIN_INITENV");
  if (processes < 0) parmacs_fail(file, line, "CREATE of %ld processes", processes);
  int wanted = processes == 0 ? 1 : (int)processes - 1, first = 1;
  if (processes == 0) {
    while (first < nodes && charges[first].busy) first++;
  }
  if (wanted > nodes - first) {
    parmacs_fail(file, line, "CREATE wants process %ld of a job of %d node%s: start it with -n %ld or more, or tell the "
                 "program to use fewer processes", (long)first + wanted, nodes, nodes == 1 ? "" : "s",
                 (long)first + wanted);
  }
  /* What it printed so far comes first. */
  fflush(NULL);
  for (int i = first; i < first + wanted; i++) {
    if (charges[i].busy) wait_for(i, file, line);
  }
  if (wanted > 0) parmacs_image_take(&control->image, file, line);
  for (int i = first; i < first + wanted; i++) start(i, function, file, line);
  /* The image may be overwritten only when all have it, and some of what they got may be in shared memory. */
  for (int i = first; i < first + wanted; i++) take_event(control->workers[i].received, "CREATE", file, line);
  if (processes > 0) function();
}

void merino_parmacs_wait_for_end(const char *file, int line) {
  if (node != 0) parmacs_fail(file, line, "WAIT_FOR_END in a created process: only the main program may call it");
  for (int i = 1; i < nodes; i++) {
    if (charges[i].busy) wait_for(i, file, line);
  }
}
