/* What this process knows of objects, by their address: the table, which lies on other nodes, is asked
 * once. */
#include <stdlib.h>

#include "Objects.h"
#include "Real.h"

#define BUCKETS 4096

static struct {
  pthread_mutex_t lock; /* libc's; held for a few instructions */
  struct sysv_local *buckets[BUCKETS];
} known = {.lock = PTHREAD_MUTEX_INITIALIZER};

static size_t bucket(uintptr_t address) { return (address >> 3 ^ address >> 15) & (BUCKETS - 1); }

int sysv_is_shared(const void *address) {
  struct sysv_view view;
  if (!sysv_has_views() || !sysv_view_find(address, 1, &view)) return 0;
  if (!sysv_is_node()) {
    /* The child of a fork: programs do not look at what pthread_mutex_lock says. */
    (void)sysv_join();
    merino_abort(1);
  }
  return 1;
}

uint64_t sysv_thread(void) {
  static _Thread_local uint64_t thread;
  if (thread == 0) thread = (uint64_t)merino_node() << 32 | (uint32_t)gettid();
  return thread;
}

static struct sysv_local *find(uintptr_t address) {
  real()->pthread_mutex_lock(&known.lock);
  struct sysv_local *local = known.buckets[bucket(address)];
  while (local != NULL && local->address != address) local = local->next;
  real()->pthread_mutex_unlock(&known.lock);
  return local;
}

/* Out of the list; not freed, since another thread may be looking at it. */
static void drop(uintptr_t start, uintptr_t end) {
  real()->pthread_mutex_lock(&known.lock);
  for (size_t i = 0; i < BUCKETS; i++) {
    struct sysv_local **link = &known.buckets[i];
    while (*link != NULL) {
      if ((*link)->address >= start && (*link)->address < end) *link = (*link)->next;
      else link = &(*link)->next;
    }
  }
  real()->pthread_mutex_unlock(&known.lock);
}

static struct sysv_local *add(uintptr_t address, struct sysv_object *object) {
  struct sysv_local *local = malloc(sizeof *local);
  if (local == NULL) {
    sysv_say("no memory for a synchronisation object in shared memory");
    merino_abort(1);
  }
  *local = (struct sysv_local){.address = address, .object = object, .kind = object->kind,
                               .type = object->type, .lock = object->lock, .condition = object->condition,
                               .barrier = object->barrier};
  drop(address, address + 1);
  real()->pthread_mutex_lock(&known.lock);
  local->next = known.buckets[bucket(address)];
  known.buckets[bucket(address)] = local;
  real()->pthread_mutex_unlock(&known.lock);
  return local;
}

static struct sysv_view view_of(const void *address) {
  struct sysv_view view;
  if (!sysv_view_find(address, 1, &view)) {
    sysv_say("%p is detached while it is in use", address);
    merino_abort(1);
  }
  return view;
}

struct sysv_local *sysv_object_known(const void *address, enum sysv_kind kind) {
  struct sysv_local *local = find((uintptr_t)address);
  return local != NULL && local->kind == (uint32_t)kind ? local : NULL;
}

struct sysv_local *sysv_object(const void *address, enum sysv_kind kind, uint32_t type) {
  struct sysv_local *local = sysv_object_known(address, kind);
  if (local != NULL) return local;
  /* As static initialisers leave it: memory of a segment is zero until somebody writes it. */
  return sysv_object_make(address, kind, type, -1);
}

/* Under the object's own lock, too, for those who know it already. */
static void set_value(struct sysv_object *object, int64_t value) {
  if (object->kind == SYSV_MUTEX || object->kind == SYSV_CONDITION) return;
  if (merino_lock_acquire(object->lock) != MERINO_SUCCESS)
    sysv_end("a synchronisation object in shared memory");
  object->value = value;
  object->arrivals = 0;
  if (merino_lock_release(object->lock) != MERINO_SUCCESS)
    sysv_end("a synchronisation object in shared memory");
}

struct sysv_local *sysv_object_make(const void *address, enum sysv_kind kind, uint32_t type, int64_t value) {
  /* What a barrier of no threads is: not made. */
  static struct sysv_local no_barrier = {.kind = SYSV_BARRIER};
  struct sysv_view view = view_of(address);
  sysv_table_lock();
  struct sysv_object *object = sysv_table_place(&view, (uintptr_t)address);
  int is_there = object->kind == (uint32_t)kind, is_new = !is_there || value >= 0;
  if (kind == SYSV_BARRIER && is_new && type == 0) {
    sysv_table_unlock();
    return &no_barrier;
  }
  if (is_new) {
    if (kind == SYSV_BARRIER) (void)sysv_barrier_remove(object);
    object->kind = kind;
    object->type = type;
    sysv_handles_make(object);
    set_value(object, value > 0 ? value : 0);
  }
  struct sysv_local *local = add((uintptr_t)address, object);
  sysv_table_unlock();
  return local;
}

/* Whether somebody holds a mutex, the caller included. */
static int is_held(const struct sysv_object *object) {
  if (object->kind != SYSV_MUTEX) return 0;
  int result = merino_lock_try_acquire(object->lock);
  if (result == MERINO_SUCCESS) result = merino_lock_release(object->lock);
  return result != MERINO_SUCCESS;
}

int sysv_object_destroy(const void *address, enum sysv_kind kind) {
  struct sysv_view view = view_of(address);
  sysv_table_lock();
  struct sysv_object *object = sysv_table_place(&view, (uintptr_t)address);
  int result = 0;
  if (object->kind == (uint32_t)kind) {
    if (is_held(object)) result = EBUSY;
    if (result == 0) result = sysv_barrier_remove(object);
    if (result == 0) object->kind = SYSV_NONE;
  }
  sysv_table_unlock();
  if (result == 0) drop((uintptr_t)address, (uintptr_t)address + 1);
  return result;
}

void sysv_object_forget(const struct sysv_local *local) { drop(local->address, local->address + 1); }

void sysv_objects_detach(uintptr_t start, uintptr_t end) { drop(start, end); }
