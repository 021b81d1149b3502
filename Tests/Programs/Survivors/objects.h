// What the calls and waits of survivors.c are made with, made before the death; and what a survivor must be
// told.
#ifndef SURVIVORS_OBJECTS_H
#define SURVIVORS_OBJECTS_H

#include "../check.h"

#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

#define PAGE 4096
static int dying, maker;
static const char *words;
static char node_words[32];

static uint64_t *handles; // shared: what `maker` made
static merino_lock_t free_lock, dead_lock, mine, own_lock;
static merino_rwlock_t rwlock, own_rwlock;
static merino_event_t event, own_event;
static merino_cond_t condition, own_condition;
static merino_barrier_t barrier, own_barrier;
static merino_segment_t segment;
static char *view;   // of the segment: a page for each node
static char *pinned; // this node's page of `view`
static void *block;  // of the heap
static int shm;
static void *shm_view;
static uint32_t word32;
static uint64_t word64, other;
#define ADDRESS32 ((uint32_t *)(void *)(view + 64))
#define ADDRESS64 ((uint64_t *)(void *)(view + 64))

static void prepare(void) {
  maker = dying == 0 ? 1 : 0;
  handles = merino_collective_malloc(8 * sizeof *handles, 0);
  if (handles == NULL) merino_abort(3);
  if (check_node == maker) {
    NEED(merino_lock_create(&handles[0]));
    NEED(merino_rwlock_create(&handles[1]));
    NEED(merino_event_create(&handles[2]));
    NEED(merino_cond_create(&handles[3]));
    NEED(merino_barrier_create(16, &handles[4]));
    NEED(merino_segment_create("survivors", 16 * PAGE, NULL, &segment));
    handles[5] = (uint64_t)merino_shmget(4711, PAGE, IPC_CREAT | 0600);
  }
  NEED(merino_lock_create_named("the dead one's", &dead_lock));
  if (check_node == dying) NEED(merino_lock_acquire(dead_lock));
  NEED(merino_barrier());
  free_lock = handles[0], rwlock = handles[1], event = handles[2], condition = handles[3],
  barrier = handles[4];
  shm = (int)handles[5];
  NEED(merino_segment_open("survivors", &segment));
  NEED(merino_segment_attach(segment, NULL, PROT_READ | PROT_WRITE, (void **)&view));
  pinned = view + check_node * PAGE;
  memset(pinned, 'a' + check_node, PAGE);
  NEED(merino_pin(pinned, PAGE, PROT_READ | PROT_WRITE));
  NEED(merino_lock_create(&mine));
  NEED(merino_lock_acquire(mine));
  NEED(merino_rwlock_acquire_read(rwlock));
  NEED(merino_lock_create(&own_lock));
  NEED(merino_rwlock_create(&own_rwlock));
  NEED(merino_event_create(&own_event));
  NEED(merino_cond_create(&own_condition));
  NEED(merino_barrier_create(2, &own_barrier));
  block = merino_malloc(100);
  shm_view = merino_shmat(shm, NULL, 0);
  if (block == NULL || shm_view == (void *)-1) merino_abort(3);
  // A copy of another survivor's page: it can be written without anybody.
  NEED(merino_barrier());
  int neighbour = 3 - dying - check_node;
  if (check_node != dying && *(volatile char *)(view + neighbour * PAGE) != 'a' + neighbour) merino_abort(4);
  NEED(merino_barrier());
}

// The sentence names the node, and how it ended.
static int names_the_dead(const char *sentence) {
  return is_sentence(sentence) && strstr(sentence, node_words) != NULL && strstr(sentence, words) != NULL;
}

static int is_told(int code) { return code == MERINO_EPEER && names_the_dead(merino_last_error()); }
static int is_told_by_errno(int failed) {
  return failed && errno == EHOSTDOWN && names_the_dead(merino_last_error());
}

#endif
