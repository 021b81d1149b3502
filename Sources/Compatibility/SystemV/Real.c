#include "Real.h"

#include <dlfcn.h>
#include <string.h>

struct sysv_real sysv_real;

/* Conditions have two generations in glibc for x86-64: dlsym may give the one of 1999. (clockwait came
 * later.) Asking for what is not there makes libc allocate, and the program's malloc may lock a mutex, by
 * this library. */
static void *find(const char *name) {
  void *found = NULL;
#if defined(__x86_64__)
  if (strncmp(name, "pthread_cond_", 13) == 0 && strcmp(name, "pthread_cond_clockwait") != 0)
    found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
#endif
  return found != NULL ? found : dlsym(RTLD_NEXT, name);
}

/* Several threads may do this at once: they store the same. A name that this libc has not stays NULL, and
 * nobody calls it: the program found no such function either. */
void sysv_real_find(void) {
#define SYSV_FIND(result, name, arguments) sysv_real.name = (result(*) arguments)find(#name);
  SYSV_REAL_FUNCTIONS(SYSV_FIND)
#undef SYSV_FIND
  /* Before any call that goes through these pointers. */
  __atomic_store_n(&sysv_real.is_ready, 1, __ATOMIC_RELEASE);
}

/* No look-up in the child of a fork, whose other threads may have held the loader's lock. */
__attribute__((constructor)) static void at_load(void) { sysv_real_find(); }
