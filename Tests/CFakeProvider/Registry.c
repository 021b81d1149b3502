// Which objects are fake, what they were made from, and which verbs are to fail.
#include <stdio.h>

#include "Fake.h"

static pthread_mutex_t lock;
static pthread_once_t once = PTHREAD_ONCE_INIT;
__thread int fake_enabled;

static struct {
  void *object;
  void *parents[3];
} live[MOST];
static int violations;
static char failing_verb[64];
static int failing_code;

static void make_lock(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&lock, &attributes);
}

int fake_enter(void) {
  pthread_once(&once, make_lock);
  pthread_mutex_lock(&lock);
  return 1;
}

void fake_unlock(int *guard) {
  if (*guard) pthread_mutex_unlock(&lock);
}

void fake_add(void *object, void *parent, void *second, void *third) {
  LOCKED;
  for (int i = 0; i < MOST; i++) {
    if (live[i].object) continue;
    live[i].object = object;
    live[i].parents[0] = parent;
    live[i].parents[1] = second;
    live[i].parents[2] = third;
    return;
  }
  fprintf(stderr, "the fake provider holds %d objects: a test leaks\n", MOST);
  abort();
}

int fake_remove(void *object) {
  LOCKED;
  int busy = 0;
  for (int i = 0; i < MOST; i++)
    for (int p = 0; p < 3; p++) busy |= live[i].object && live[i].parents[p] == object;
  violations += busy;
  for (int i = 0; i < MOST; i++)
    if (live[i].object == object) live[i].object = NULL;
  return !busy;
}

int fake_is(const void *object) {
  LOCKED;
  for (int i = 0; i < MOST; i++)
    if (object && live[i].object == object) return 1;
  return 0;
}

struct fake_mr *fake_regions[MOST];
struct ibv_context *fake_contexts[MOST];

void fake_replace(void *table, void *from, void *to) {
  LOCKED;
  void **entries = table;
  for (int i = 0; i < MOST; i++)
    if (entries[i] == from) {
      entries[i] = to;
      return;
    }
}

int cfake_live(void) {
  LOCKED;
  int count = 0;
  for (int i = 0; i < MOST; i++) count += live[i].object != NULL;
  return count;
}

int cfake_order_violations(void) {
  LOCKED;
  return violations;
}

void cfake_enable(int on) { fake_enabled = on; }

void cfake_fail_next(const char *verb, int code) {
  LOCKED;
  snprintf(failing_verb, sizeof failing_verb, "%s", verb);
  failing_code = code;
}

int fake_failure(const char *verb) {
  LOCKED;
  if (!failing_code || strcmp(verb, failing_verb) != 0) return 0;
  int code = failing_code;
  failing_code = 0;
  return code;
}

void *fake_real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) {
    fprintf(stderr, "no library has %s\n", name);
    abort();
  }
  return found;
}
