/* The table of objects: which Merino locks and conditions stand for a mutex, condition, barrier or semaphore
 * of the program's, found by where in which segment it lies. It is in shared memory under a Merino lock:
 * making an object happens before finding it, whatever the program's bytes there say, which another node may
 * not have seen yet. */
#include "Objects.h"

#include <stdlib.h>

#include "Real.h"

#define REMOVED UINT64_MAX

static struct {
  merino_lock_t lock;
  struct sysv_object *objects;
} table;

/* The table's segment: made by the first node that asks. */
static void open_segment(void) {
  static const char name[] = "merino.sysv.objects";
  merino_segment_t segment;
  void *start;
  int result = merino_segment_open(name, &segment);
  if (result == MERINO_ENOENT)
    result = merino_segment_create(name, SYSV_OBJECTS * sizeof *table.objects, NULL, &segment);
  if (result == MERINO_EEXIST) result = merino_segment_open(name, &segment);
  if (result == MERINO_SUCCESS)
    result = merino_segment_attach(segment, NULL, 3 /* PROT_READ | PROT_WRITE */, &start);
  if (result != MERINO_SUCCESS || merino_lock_create_named(name, &table.lock) != MERINO_SUCCESS)
    sysv_end("the table of synchronisation objects");
  __atomic_store_n(&table.objects, start, __ATOMIC_RELEASE);
}

void sysv_table_lock(void) {
  static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
  if (__atomic_load_n(&table.objects, __ATOMIC_ACQUIRE) == NULL) {
    real()->pthread_mutex_lock(&once);
    if (table.objects == NULL) open_segment();
    real()->pthread_mutex_unlock(&once);
  }
  if (merino_lock_acquire(table.lock) != MERINO_SUCCESS) sysv_end("the table of synchronisation objects");
}

void sysv_table_unlock(void) {
  if (merino_lock_release(table.lock) != MERINO_SUCCESS) sysv_end("the table of synchronisation objects");
}

static size_t first_place(uint64_t identifier, uint64_t offset) {
  uint64_t mixed = (identifier << 40 ^ offset) * 0x9E3779B97F4A7C15u;
  return mixed >> 48 & (SYSV_OBJECTS - 1);
}

/* Objects whose segment is gone stay until there is no room: their identifiers are never given out again. */
static void sweep(void) {
  for (size_t i = 0; i < SYSV_OBJECTS; i++) {
    struct sysv_object *object = &table.objects[i];
    struct shmid_ds unused;
    if (object->identifier == 0 || object->identifier == REMOVED) continue;
    if (merino_shmctl((int)(object->identifier - 1), IPC_STAT, &unused) == 0 || errno != EINVAL) continue;
    (void)sysv_barrier_remove(object);
    if (object->condition != 0) (void)merino_cond_destroy(object->condition);
    if (object->lock != 0) (void)merino_lock_destroy(object->lock);
    object->identifier = REMOVED;
  }
}

static struct sysv_object *place_of(uint64_t identifier, uint64_t offset) {
  struct sysv_object *removed = NULL;
  size_t at = first_place(identifier, offset);
  for (size_t steps = 0; steps < SYSV_OBJECTS; steps++, at = (at + 1) & (SYSV_OBJECTS - 1)) {
    struct sysv_object *object = &table.objects[at];
    if (object->identifier == identifier && object->offset == offset) return object;
    if (object->identifier == REMOVED && removed == NULL) removed = object;
    if (object->identifier == 0) return removed != NULL ? removed : object;
  }
  return removed;
}

struct sysv_object *sysv_table_place(const struct sysv_view *view, uintptr_t address) {
  uint64_t identifier = (uint64_t)view->identifier + 1, offset = address - view->start;
  struct sysv_object *object = place_of(identifier, offset);
  if (object == NULL) {
    sweep();
    object = place_of(identifier, offset);
  }
  if (object == NULL) {
    sysv_say("the job has %d mutexes, conditions, barriers and semaphores in shared memory, as many as there "
             "can be", SYSV_OBJECTS);
    merino_abort(1);
  }
  if (object->identifier != identifier || object->offset != offset) {
    *object = (struct sysv_object){.identifier = identifier, .offset = offset, .kind = SYSV_NONE};
  }
  return object;
}

/* ---- What stands for an object */

static int make_handles(struct sysv_object *object) {
  int result = MERINO_SUCCESS;
  if (object->lock == 0) result = merino_lock_create(&object->lock);
  if (result == MERINO_SUCCESS && object->condition == 0 && object->kind != SYSV_MUTEX &&
      object->kind != SYSV_BARRIER)
    result = merino_cond_create(&object->condition);
  if (result == MERINO_SUCCESS && object->kind == SYSV_BARRIER && object->barrier == 0)
    result = merino_barrier_create(object->type, &object->barrier);
  return result;
}

void sysv_handles_make(struct sysv_object *object) {
  if (make_handles(object) == MERINO_SUCCESS) return;
  sweep();
  if (make_handles(object) != MERINO_SUCCESS) sysv_end("a synchronisation object in shared memory");
}

int sysv_barrier_remove(struct sysv_object *object) {
  if (object->barrier != 0 && merino_barrier_destroy(object->barrier) == MERINO_EBUSY) return EBUSY;
  object->barrier = 0;
  return 0;
}
