/* The table of semaphore sets: a segment of the job's, under a Merino lock; the semaphores of a set are in
 * the heap. */
#include "SemaphoreSets.h"

static struct {
  merino_lock_t lock;
  struct set *sets;
  /* The lock of each place, once this process has met it: it never changes. */
  merino_lock_t locks[SETS];
} table;

static void must(int result) {
  if (result != MERINO_SUCCESS) sysv_end("the table of semaphore sets");
}

static void open_table(void) {
  static const char name[] = "merino.sysv.sem";
  merino_segment_t segment;
  void *start;
  int result = merino_segment_open(name, &segment);
  if (result == MERINO_ENOENT)
    result = merino_segment_create(name, SETS * sizeof(struct set), NULL, &segment);
  if (result == MERINO_EEXIST) result = merino_segment_open(name, &segment);
  must(result);
  must(merino_segment_attach(segment, NULL, 3 /* PROT_READ | PROT_WRITE */, &start));
  must(merino_lock_create_named(name, &table.lock));
  __atomic_store_n(&table.sets, start, __ATOMIC_RELEASE);
}

struct set *sysv_sets(void) {
  static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
  if (__atomic_load_n(&table.sets, __ATOMIC_ACQUIRE) == NULL) {
    real()->pthread_mutex_lock(&once);
    if (table.sets == NULL) open_table();
    real()->pthread_mutex_unlock(&once);
  }
  return table.sets;
}

void sysv_sets_lock(void) {
  sysv_sets();
  sysv_inside_begin();
  must(merino_lock_acquire(table.lock));
}

void sysv_sets_unlock(void) {
  must(merino_lock_release(table.lock));
  sysv_inside_end();
}

int sysv_set_identifier(const struct set *set) {
  return (int)((set->sequence & 0x7FFFF) << 12 | (uint64_t)(set - table.sets));
}

int sysv_set_is_there(const struct set *set, int identifier) {
  return set->state != NULL && sysv_set_identifier(set) == identifier;
}

static merino_lock_t lock_of(size_t place) {
  merino_lock_t lock = __atomic_load_n(&table.locks[place], __ATOMIC_RELAXED);
  if (lock != 0) return lock;
  sysv_sets_lock();
  lock = table.sets[place].lock;
  sysv_sets_unlock();
  __atomic_store_n(&table.locks[place], lock, __ATOMIC_RELAXED);
  return lock;
}

struct set *sysv_set_enter(int identifier, unsigned wanted) {
  struct set *set = &sysv_sets()[identifier & (SETS - 1)];
  merino_lock_t lock = identifier >= 0 ? lock_of((size_t)(identifier & (SETS - 1))) : 0;
  errno = EINVAL;
  if (lock == 0) return NULL;
  sysv_inside_begin();
  must(merino_lock_acquire(lock));
  int is_there = sysv_set_is_there(set, identifier);
  if (is_there && sysv_set_allows(set, wanted)) return set;
  sysv_set_leave(set, 0);
  errno = is_there ? EACCES : EINVAL;
  return NULL;
}

void sysv_set_leave(struct set *set, int wakes) {
  int before = errno;
  if (wakes) must(merino_cond_broadcast(set->changed));
  must(merino_lock_release(set->lock));
  sysv_inside_end();
  errno = before;
}

static int is_member(gid_t group) {
  gid_t groups[256];
  int count = getgroups(256, groups), found = getegid() == group;
  for (int i = 0; i < count; i++) found |= groups[i] == group;
  return found;
}

int sysv_set_allows(const struct set *set, unsigned wanted) {
  uid_t user = geteuid();
  unsigned granted = set->mode;
  if (user == 0) return 1;
  if (user == set->user || user == set->creating_user) granted >>= 6;
  else if (is_member(set->group) || is_member(set->creating_group)) granted >>= 3;
  return (wanted >> 6 & ~granted & 7) == 0;
}

int sysv_set_is_callers(const struct set *set) {
  uid_t user = geteuid();
  return user == 0 || user == set->user || user == set->creating_user;
}
