/* Processes: joining, CREATE, WAIT_FOR_END, and every way to end. Node 0 runs the main program. The others
 * never run main: they join and wait before it, so that only the main program reads its input and prints, and
 * each serves one CREATE after another. */
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

static struct RUNTIME_PAGES {
  struct control *control;
  struct charge *charges; /* of all nodes, the main program's alone */
  int node, nodes, joined, begun, in_function;
} state RUNTIME_STATE = {NULL, NULL, 0, 1, 0, 0, 0};

int merino_parmacs_process(void) { return state.node; }

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
  if (result != MERINO_SUCCESS) parmacs_say("leaving the job: %s", merino_last_error());
  fflush(NULL);
  /* The program's exit handlers are the main program's business. */
  _exit(result == MERINO_SUCCESS ? 0 : 1);
}

static void finish_function(void) {
  struct worker *me = &state.control->workers[state.node];
  state.in_function = 0;
  /* What it printed comes before what the main program prints after WAIT_FOR_END. */
  fflush(NULL);
  me->ended++;
  set_event(me->finished, "the end of a created process", NULL, 0);
}

MERINO_NORETURN static void serve(void) {
  struct worker *me = &state.control->workers[state.node];
  for (;;) {
    /* Where the main program dies, its launcher tells. */
    if (merino_event_wait(me->start) < 0 || merino_event_clear(me->start) < 0) _exit(1);
    if (me->command == LEAVE) leave();
    parmacs_image_apply(&state.control->image);
    set_event(me->received, "CREATE, in the new process", NULL, 0);
    state.in_function = 1;
    me->function();
    finish_function();
  }
}

/* ---- exit */

/* 1 where every created process has come to its end, waited for or not. */
static int all_finished(void) {
  if (merino_fence_acquire() < 0) return 0;
  for (int i = 1; i < state.nodes; i++) {
    if (state.charges[i].busy && state.control->workers[i].ended != state.charges[i].started) return 0;
  }
  return 1;
}

static void leave_exit_handler(int status, void *context);

static void watch_exit(void) {
  if (on_exit(leave_exit_handler, NULL) != 0) parmacs_fail(NULL, 0, "on_exit: no memory");
}

/* exit() or the end of main. In the main program it ends the job, and the created processes with it, as the
 * end of a process ends its threads. In a created process exit(0) ends that one only, as the end of a child
 * does. */
static void leave_exit_handler(int status, void *context) {
  (void)context;
  /* A child made by fork is not in the job. */
  if (!state.joined || merino_node() < 0) return;
  fflush(NULL);
  if (state.node != 0) {
    if (status != 0) {
      parmacs_say("a created process called exit(%d), which ends the program", status);
      merino_abort(status & 255);
    }
    watch_exit();
    if (state.in_function) finish_function();
    serve();
  }
  if (status != 0 || !all_finished()) merino_abort(status & 255);
  for (int i = 1; i < state.nodes; i++) {
    state.control->workers[i].command = LEAVE;
    set_event(state.control->workers[i].start, "MAIN_END", NULL, 0);
  }
  parmacs_globals_save();
  state.joined = 0;
  parmacs_expect(merino_finalize(), "MAIN_END", NULL, 0);
  parmacs_globals_restore();
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
  int64_t shared[2] = {parmacs_globals_wanted(), -parmacs_globals_wanted()};
  parmacs_identity_take(&identity);
  parmacs_program_find();
  if (merino_init() != MERINO_SUCCESS) {
    parmacs_say("joining the job: %s", merino_last_error());
    _exit(1);
  }
  state.node = merino_node();
  state.nodes = merino_nodes();
  size_t bytes = sizeof *state.control + (size_t)state.nodes * sizeof state.control->workers[0];
  state.control = merino_collective_malloc(bytes, 0);
  state.charges = parmacs_private_memory(NULL, 0, (size_t)state.nodes * sizeof *state.charges);
  if (state.control == NULL) parmacs_fail(NULL, 0, "joining: %s", merino_last_error());
  if (state.node == 0) state.control->identity = identity;
  make_events(&state.control->workers[state.node]);
  parmacs_expect(merino_barrier(), "joining", NULL, 0);
  parmacs_identity_compare(&state.control->identity, &identity);
  /* No pointer is used before all have compared. */
  parmacs_expect(merino_allreduce_i64(shared, 2, MERINO_MAX), "joining", NULL, 0);
  if (shared[0] != -shared[1]) {
    parmacs_fail(NULL, 0, "MERINO_PARMACS_GLOBALS differs between the nodes; give all the same");
  }
  if (shared[0]) parmacs_globals_share();
  state.joined = 1;
  watch_exit();
  if (state.node != 0) serve();
}

void merino_parmacs_begin(const char *file, int line) {
  if (state.node != 0)
    parmacs_fail(file, line, "MAIN_INITENV in a created process: it belongs into the main program");
  if (state.begun) parmacs_fail(file, line, "MAIN_INITENV for the second time");
  state.begun = 1;
}

void merino_parmacs_end(const char *file, int line) {
  if (state.node != 0)
    parmacs_fail(file, line, "MAIN_END in a created process: it belongs into the main program");
  exit(0);
}

/* ---- CREATE and WAIT_FOR_END */

static void wait_for(int worker, const char *file, int line) {
  take_event(state.control->workers[worker].finished, "WAIT_FOR_END", file, line);
  state.charges[worker].busy = 0;
}

/* Sends worker `number` off. */
static void start(int number, void (*function)(void), const char *file, int line) {
  struct worker *worker = &state.control->workers[number];
  worker->command = RUN;
  worker->function = function;
  state.charges[number].busy = 1;
  state.charges[number].started++;
  set_event(worker->start, "CREATE", file, line);
}

void merino_parmacs_create(void (*function)(void), long processes, const char *file, int line) {
  if (state.node != 0)
    parmacs_fail(file, line, "CREATE in a created process: only the main program may call it");
  if (!state.begun) parmacs_fail(file, line, "CREATE before MAIN_INITENV");
  if (processes < 0) parmacs_fail(file, line, "CREATE of %ld processes", processes);
  int wanted = processes == 0 ? 1 : (int)processes - 1, first = 1;
  if (processes == 0) {
    while (first < state.nodes && state.charges[first].busy) first++;
  }
  if (wanted > state.nodes - first) {
    parmacs_fail(file, line,
                 "CREATE wants process %ld of a job of %d node%s: start it with -n %ld or more, or tell "
                 "the program to use fewer processes",
                 (long)first + wanted, state.nodes, state.nodes == 1 ? "" : "s", (long)first + wanted);
  }
  /* What it printed so far comes first. */
  fflush(NULL);
  for (int i = first; i < first + wanted; i++) {
    if (state.charges[i].busy) wait_for(i, file, line);
  }
  if (wanted > 0) parmacs_image_take(&state.control->image, file, line);
  for (int i = first; i < first + wanted; i++) start(i, function, file, line);
  /* The image may be overwritten only when all have it, and some of what they got may be in shared memory. */
  for (int i = first; i < first + wanted; i++)
    take_event(state.control->workers[i].received, "CREATE", file, line);
  if (processes > 0) function();
}

void merino_parmacs_wait_for_end(const char *file, int line) {
  if (state.node != 0)
    parmacs_fail(file, line, "WAIT_FOR_END in a created process: only the main program may call it");
  for (int i = 1; i < state.nodes; i++) {
    if (state.charges[i].busy) wait_for(i, file, line);
  }
}
