#define _GNU_SOURCE
#include "CBootstrapPmix.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// The standard's own, as far as they are passed. Sizes are the standard's: PMIX_MAX_NSLEN 255 and
// PMIX_MAX_KEYLEN 511, each with a zero; a value's data takes 24 bytes (pmix_envar_t is the largest).
enum { PMIX_SUCCESS = 0, PMIX_ERR_TYPE_MISMATCH = -18, PMIX_ERR_NOMEM = -32 };
enum { PMIX_OPERATION_SUCCEEDED = -157 };
enum { PMIX_BOOL = 1, PMIX_STRING = 3, PMIX_UINT32 = 14 };
enum { PMIX_GLOBAL = 3 };
#define PMIX_RANK_WILDCARD (UINT32_MAX - 1)

typedef struct {
  char nspace[256];
  uint32_t rank;
} pmix_proc_t;

typedef struct {
  uint16_t type;
  union {
    bool flag;
    char *string;
    uint32_t uint32;
    uint64_t room[3];
  } data;
} pmix_value_t;

typedef struct {
  char key[512];
  uint32_t flags;
  pmix_value_t value;
} pmix_info_t;

_Static_assert(sizeof(pmix_proc_t) == 260 && sizeof(pmix_value_t) == 32 && sizeof(pmix_info_t) == 552,
               "as in pmix_common.h");

typedef void (*pmix_op_callback)(int status, void *data);

struct cbootstrap_pmix {
  char *path;
  pmix_proc_t me;
  int (*init)(pmix_proc_t *, pmix_info_t *, size_t);
  int (*finalize)(const pmix_info_t *, size_t);
  int (*put)(uint8_t, const char *, pmix_value_t *);
  int (*commit)(void);
  int (*fence_nb)(const pmix_proc_t *, size_t, const pmix_info_t *, size_t, pmix_op_callback, void *);
  int (*get)(const pmix_proc_t *, const char *, const pmix_info_t *, size_t, pmix_value_t **);
  int (*abort)(int, const char *, pmix_proc_t *, size_t);
  const char *(*error_string)(int);
};

static bool find(void *library, const char *name, void *place) {
  void *symbol = dlsym(library, name);
  memcpy(place, &symbol, sizeof symbol);
  return symbol != NULL;
}

static bool find_all(struct cbootstrap_pmix *pmix, void *library) {
  return find(library, "PMIx_Init", &pmix->init) && find(library, "PMIx_Finalize", &pmix->finalize) &&
         find(library, "PMIx_Put", &pmix->put) && find(library, "PMIx_Commit", &pmix->commit) &&
         find(library, "PMIx_Fence_nb", &pmix->fence_nb) && find(library, "PMIx_Get", &pmix->get) &&
         find(library, "PMIx_Abort", &pmix->abort) && find(library, "PMIx_Error_string", &pmix->error_string);
}

cbootstrap_pmix_t *cbootstrap_pmix_load(const char *path, int only_if_loaded, char *reason, int size) {
  // Bound now, and local: nothing of it is in the way of an MPI library that brings its own.
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | (only_if_loaded ? RTLD_NOLOAD : 0));
  if (library == NULL) {
    const char *error = dlerror();
    snprintf(reason, (size_t)size, "%s", error != NULL ? error : "it is not loaded");
    return NULL;
  }
  struct cbootstrap_pmix *pmix = calloc(1, sizeof *pmix);
  if (pmix == NULL || !find_all(pmix, library)) {
    snprintf(reason, (size_t)size, "%s: it has not the functions of PMIx", path);
    free(pmix);
    return NULL;
  }
  Dl_info info;
  void *symbol;
  memcpy(&symbol, &pmix->init, sizeof symbol);
  pmix->path = strdup(dladdr(symbol, &info) != 0 && info.dli_fname != NULL ? info.dli_fname : path);
  return pmix;
}

const char *cbootstrap_pmix_path(const cbootstrap_pmix_t *pmix) { return pmix->path; }

int cbootstrap_pmix_init(cbootstrap_pmix_t *pmix, uint32_t *rank) {
  sigset_t all, saved;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &saved);
  int status = pmix->init(&pmix->me, NULL, 0);
  pthread_sigmask(SIG_SETMASK, &saved, NULL);
  *rank = pmix->me.rank;
  return status;
}

// Takes the value apart, which the library has made by malloc.
static int take(pmix_value_t *value, uint16_t type, uint32_t *number, char *text, int size) {
  int status = value->type == type ? PMIX_SUCCESS : PMIX_ERR_TYPE_MISMATCH;
  if (status == PMIX_SUCCESS && type == PMIX_UINT32) *number = value->data.uint32;
  if (status == PMIX_SUCCESS && type == PMIX_STRING) snprintf(text, (size_t)size, "%s", value->data.string);
  if (value->type == PMIX_STRING) free(value->data.string);
  free(value);
  return status;
}

int cbootstrap_pmix_job_size(cbootstrap_pmix_t *pmix, uint32_t *size) {
  pmix_proc_t job = pmix->me;
  job.rank = PMIX_RANK_WILDCARD;
  pmix_value_t *value = NULL;
  int status = pmix->get(&job, "pmix.job.size", NULL, 0, &value);
  return status == PMIX_SUCCESS ? take(value, PMIX_UINT32, size, NULL, 0) : status;
}

int cbootstrap_pmix_put(cbootstrap_pmix_t *pmix, const char *key, const char *text) {
  pmix_value_t value = {.type = PMIX_STRING};
  value.data.string = (char *)text;
  int status = pmix->put(PMIX_GLOBAL, key, &value);
  return status == PMIX_SUCCESS ? pmix->commit() : status;
}

// Waited for by one thread and ended by the library's; the last of the two frees it.
typedef struct {
  pthread_mutex_t lock;
  pthread_cond_t ended;
  int users;
  bool has_ended;
  int status;
} fence_wait;

static void let_go(fence_wait *wait) {
  bool is_last = --wait->users == 0;
  pthread_mutex_unlock(&wait->lock);
  if (!is_last) return;
  pthread_cond_destroy(&wait->ended);
  pthread_mutex_destroy(&wait->lock);
  free(wait);
}

static void fence_ended(int status, void *data) {
  fence_wait *wait = data;
  pthread_mutex_lock(&wait->lock);
  wait->has_ended = true;
  wait->status = status;
  pthread_cond_signal(&wait->ended);
  let_go(wait);
}

static fence_wait *make_wait(void) {
  fence_wait *wait = calloc(1, sizeof *wait);
  if (wait == NULL) return NULL;
  wait->users = 2;
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&wait->ended, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_init(&wait->lock, NULL);
  return wait;
}

int cbootstrap_pmix_fence(cbootstrap_pmix_t *pmix, int timeout_milliseconds) {
  fence_wait *wait = make_wait();
  if (wait == NULL) return PMIX_ERR_NOMEM;
  struct timespec due;
  clock_gettime(CLOCK_MONOTONIC, &due);
  long nanoseconds = due.tv_nsec + (long)(timeout_milliseconds % 1000) * 1000000;
  due.tv_sec += timeout_milliseconds / 1000 + nanoseconds / 1000000000;
  due.tv_nsec = nanoseconds % 1000000000;
  // The library reads it until the fence has ended, which may be behind the time limit.
  static const pmix_info_t collect = {
      .key = "pmix.collect", .value = {.type = PMIX_BOOL, .data = {.flag = true}}};
  int status = pmix->fence_nb(NULL, 0, &collect, 1, fence_ended, wait);
  // Nobody calls back then.
  if (status != PMIX_SUCCESS) fence_ended(status == PMIX_OPERATION_SUCCEEDED ? PMIX_SUCCESS : status, wait);
  pthread_mutex_lock(&wait->lock);
  int timed_out = 0;
  while (!wait->has_ended && timed_out == 0)
    timed_out = pthread_cond_timedwait(&wait->ended, &wait->lock, &due);
  status = wait->has_ended ? wait->status : CBOOTSTRAP_PMIX_TIMED_OUT;
  let_go(wait);
  return status;
}

int cbootstrap_pmix_get(cbootstrap_pmix_t *pmix, uint32_t rank, const char *key, char *text, int size) {
  pmix_proc_t other = pmix->me;
  other.rank = rank;
  pmix_value_t *value = NULL;
  int status = pmix->get(&other, key, NULL, 0, &value);
  return status == PMIX_SUCCESS ? take(value, PMIX_STRING, NULL, text, size) : status;
}

int cbootstrap_pmix_abort(cbootstrap_pmix_t *pmix, int code, const char *sentence) {
  return pmix->abort(code, sentence, NULL, 0);
}

int cbootstrap_pmix_finalize(cbootstrap_pmix_t *pmix) { return pmix->finalize(NULL, 0); }

const char *cbootstrap_pmix_words(const cbootstrap_pmix_t *pmix, int status) {
  const char *words = pmix->error_string(status);
  return words != NULL ? words : "an unknown status";
}
