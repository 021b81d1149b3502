// What is there before a call whose failure is injected, and is taken away afterwards.
#ifndef INJECTION_OBJECTS_H
#define INJECTION_OBJECTS_H

#include "../Programs/check.h"

#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>

// Objects that calls work on, made anew for each attempt.
static struct {
  merino_lock_t lock, other, made;
  merino_rwlock_t rwlock;
  merino_event_t event;
  merino_cond_t condition;
  merino_barrier_t barrier;
  merino_segment_t segment;
  char *view, *block, *word, *made_block;
  int shm;
  char *shm_view;
} on;

static unsigned counter; // of attempts

static const char *segment_name(void) {
  static char name[32];
  snprintf(name, sizeof name, "segment %u", counter);
  return name;
}

static void no_objects(void) {}

static void locks(void) {
  NEED(merino_lock_create(&on.lock));
  NEED(merino_lock_create(&on.other));
}
static void lock_held(void) {
  locks();
  NEED(merino_lock_acquire(on.lock));
}
static void rwlock(void) { NEED(merino_rwlock_create(&on.rwlock)); }
static void rwlock_written(void) {
  rwlock();
  NEED(merino_rwlock_acquire_write(on.rwlock));
}
static void event(void) { NEED(merino_event_create(&on.event)); }
static void event_set(void) {
  event();
  NEED(merino_event_set(on.event));
}
static void condition(void) {
  locks();
  NEED(merino_cond_create(&on.condition));
  NEED(merino_lock_acquire(on.lock));
}
static void barrier_of_one(void) { NEED(merino_barrier_create(1, &on.barrier)); }
static void barrier_of_two(void) { NEED(merino_barrier_create(2, &on.barrier)); }
static void segment(void) { NEED(merino_segment_create(segment_name(), 100000, NULL, &on.segment)); }
static void view(void) {
  segment();
  void *address;
  NEED(merino_segment_attach(on.segment, NULL, PROT_READ | PROT_WRITE, &address));
  on.view = address;
  for (int i = 0; i < 100000; i += 4096) on.view[i] = 1;
}
static void doomed_view(void) {
  view();
  NEED(merino_segment_destroy(on.segment));
}
static void block(void) {
  on.block = merino_malloc(5000);
  if (on.block == NULL) merino_abort(3);
  memset(on.block, 7, 5000);
}
static void word(void) {
  on.word = merino_calloc(1, 4096);
  if (on.word == NULL) merino_abort(3);
}
static void pinned(void) {
  view();
  NEED(merino_pin(on.view, 100000, PROT_READ | PROT_WRITE));
}
static void shm(void) {
  on.shm = merino_shmget(IPC_PRIVATE, 50000, 0600);
  if (on.shm < 0) merino_abort(3);
}
static void shm_view(void) {
  shm();
  on.shm_view = merino_shmat(on.shm, NULL, 0);
  if (on.shm_view == (void *)-1) merino_abort(3);
}

#endif
