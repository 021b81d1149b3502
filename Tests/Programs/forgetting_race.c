// Memory is freed and used again while another thread of a node that had it is in the middle of release
// rounds.
//
// Node 1 makes pages exclusive, leaves the segment, and enters the barrier with its main thread, while
// another thread of it releases now and then. Node 0 reads the pages behind that node's seal and detaches:
// the pages are forgotten in that barrier, while the rounds of node 1's other thread look at their marks. A
// thread of real-time priority takes the processor from it in the middle of its call, where the system
// permits that: it makes a rare interleaving a common one.
//   forgetting_race PAGES ROUNDS FILE: FILE is one that both nodes can map, to talk past Merino.
#define _GNU_SOURCE
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>

enum { NEXT_LIFE = 7000000, LATER = 9000000 };

/// Words of the file: node 1's main thread goes to the barrier; its other thread may release; all end.
enum { ENTERING, GO, STOP };
static volatile uint64_t *side;
static volatile uint64_t release_began;
static int is_hogged;

static void stay_on(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);
}

static void *hog(void *argument) {
  uint64_t done = 0;
  while (!side[STOP]) {
    struct timespec pause = {0, 20000};
    nanosleep(&pause, NULL);
    uint64_t began = release_began;
    if (began == done || now_ns() - began < 20000) continue;
    done = began;
    for (uint64_t end = now_ns() + 6000000; now_ns() < end;) {}
  }
  return argument;
}

static void *release_now_and_then(void *argument) {
  uint64_t seen = 0;
  unsigned random = 12345;
  while (!side[STOP]) {
    uint64_t go = side[GO];
    if (go == seen) {
      sched_yield();
      continue;
    }
    seen = go;
    random = random * 1664525u + 1013904223u;
    for (uint64_t end = now_ns() + (random >> 8) % 1000; now_ns() < end;) {}
    release_began = now_ns();
    NEED(merino_fence_release());
  }
  return argument;
}

/// A thread that is about to take the processor away, on the core of the one that releases. False where that
/// is not allowed.
static int start_hog(pthread_t *thread) {
  pthread_attr_t attributes;
  struct sched_param priority = {.sched_priority = 10};
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  pthread_attr_init(&attributes);
  pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
  pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
  pthread_attr_setschedparam(&attributes, &priority);
  pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
  int failed = pthread_create(thread, &attributes, hog, NULL);
  pthread_attr_destroy(&attributes);
  return failed == 0;
}

/// The first life: node 1's, whose pages node 0 reads when node 1 waits in the barrier that forgets them.
static int first_life(int pages, int round) {
  size_t bytes = (size_t)pages * 4096;
  char name[32];
  merino_segment_t segment;
  void *view;
  int wrong = 0;
  snprintf(name, sizeof name, "a%d", round);
  if (check_node == 1) NEED(merino_segment_create(name, bytes, 0, &segment));
  NEED(merino_barrier());
  if (check_node == 0) NEED(merino_segment_open(name, &segment));
  NEED(merino_segment_attach(segment, 0, PROT_READ | PROT_WRITE, &view));
  volatile uint64_t *words = view;
  if (check_node == 1) {
    for (int page = 0; page < pages; page++) words[page * 512] = (uint64_t)round;
    NEED(merino_fence_release());
    for (int page = 0; page < pages; page++) words[page * 512] = (uint64_t)round + 1;
  }
  NEED(merino_barrier());
  if (check_node == 1) {
    NEED(merino_segment_destroy(segment));
    NEED(merino_segment_detach(view));
    side[ENTERING] = (uint64_t)round;
  } else {
    while (side[ENTERING] != (uint64_t)round) sched_yield();
    // So that node 1 is behind its seal. Where it is not, the round shows nothing.
    usleep(500);
    for (int page = 0; page < pages; page++) wrong += words[page * 512] != (uint64_t)round + 1;
    NEED(merino_segment_detach(view));
    side[GO] = (uint64_t)round;
    if (is_hogged) usleep(1500);
  }
  NEED(merino_barrier());
  NEED(merino_barrier());
  return wrong;
}

/// The next life of the addresses: node 0's. Node 1 must read what node 0 wrote, and node 0 what node 1
/// writes.
static int next_life(int pages, int round) {
  size_t bytes = (size_t)pages * 4096;
  char name[32];
  merino_segment_t segment;
  void *view;
  int wrong = 0;
  snprintf(name, sizeof name, "b%d", round);
  if (check_node == 0) {
    NEED(merino_segment_create(name, bytes, 0, &segment));
    NEED(merino_segment_attach(segment, 0, PROT_READ | PROT_WRITE, &view));
    for (int page = 0; page < pages; page++) ((uint64_t *)view)[page * 512] = (uint64_t)round + NEXT_LIFE;
  }
  NEED(merino_barrier());
  if (check_node == 1) {
    NEED(merino_segment_open(name, &segment));
    NEED(merino_segment_attach(segment, 0, PROT_READ | PROT_WRITE, &view));
  }
  volatile uint64_t *words = view;
  if (check_node == 1) {
    for (int page = 0; page < pages; page++) wrong += words[page * 512] != (uint64_t)round + NEXT_LIFE;
  }
  NEED(merino_barrier());
  if (check_node == 1) {
    for (int page = 0; page < pages; page++) words[page * 512 + 1] = (uint64_t)round + LATER;
  }
  NEED(merino_barrier());
  if (check_node == 0) {
    for (int page = 0; page < pages; page++) wrong += words[page * 512 + 1] != (uint64_t)round + LATER;
  }
  NEED(merino_barrier());
  NEED(merino_segment_detach(view));
  if (check_node == 0) NEED(merino_segment_destroy(segment));
  for (int count = 0; count < 3; count++) NEED(merino_barrier());
  return wrong;
}

int main(int argc, char **argv) {
  int pages = argc > 1 ? atoi(argv[1]) : 2048, rounds = argc > 2 ? atoi(argv[2]) : 10;
  join_job();
  int file = open(argc > 3 ? argv[3] : "/dev/null", O_RDWR | O_CREAT, 0600);
  if (argc <= 3 || ftruncate(file, 4096) != 0) return 2;
  side = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (side == MAP_FAILED) return 2;
  // What an earlier run has left there.
  if (check_node == 0) side[ENTERING] = side[GO] = side[STOP] = 0;
  pthread_t releaser = 0, hogger = 0;
  NEED(merino_barrier());
  if (check_node == 1) {
    stay_on(0);
    is_hogged = start_hog(&hogger);
    releaser = start(release_now_and_then, NULL);
    if (!is_hogged) say("NOTE no thread of real-time priority is allowed here: the race is seldom met");
  }
  is_hogged = merino_broadcast(&is_hogged, sizeof is_hogged, 1) == MERINO_SUCCESS && is_hogged;
  stay_on(1);
  int wrong = 0;
  for (int round = 1; round <= rounds; round++) wrong += first_life(pages, round) + next_life(pages, round);
  CHECK(wrong == 0, "freed pages have no past, whatever other threads were about");
  NEED(merino_barrier());
  side[STOP] = 1;
  if (check_node == 1) {
    pthread_join(releaser, NULL);
    if (is_hogged) pthread_join(hogger, NULL);
  }
  return leave_job();
}
