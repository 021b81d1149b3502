#define _GNU_SOURCE
#include "CBootstrap.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

// MPI_Initialized and MPI_Finalized have this type in every MPI library, and may be called at any time.
typedef int (*flag_function)(int *flag);
typedef struct {
  flag_function initialized, finalized;
} mpi_functions;

static flag_function look_up(void *library, const char *name) {
  void *symbol = dlsym(library, name);
  flag_function function;
  memcpy(&function, &symbol, sizeof function);
  return function;
}

static int find_in(void *library, mpi_functions *found) {
  found->initialized = look_up(library, "MPI_Initialized");
  found->finalized = look_up(library, "MPI_Finalized");
  return found->initialized != NULL && found->finalized != NULL;
}

typedef struct {
  int count;
  char paths[16][4096];
} candidates;

static int collect(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size;
  candidates *all = data;
  const char *slash = strrchr(info->dlpi_name, '/');
  const char *name = slash != NULL ? slash + 1 : info->dlpi_name;
  if (strstr(name, "mpi") == NULL || strlen(info->dlpi_name) >= sizeof all->paths[0]) return 0;
  strcpy(all->paths[all->count++], info->dlpi_name);
  return all->count == 16;
}

// A library that is nobody's but an extension module's (Python's mpi4py) is not in the global scope: looked
// for by name. Outside of dl_iterate_phdr, which holds the loader's lock.
static int find_private(mpi_functions *found) {
  candidates *all = calloc(1, sizeof *all);
  if (all == NULL) return 0;
  dl_iterate_phdr(collect, all);
  int is_there = 0;
  for (int i = 0; i < all->count && !is_there; i++) {
    void *library = dlopen(all->paths[i], RTLD_LAZY | RTLD_NOLOAD);
    if (library == NULL) continue;
    is_there = find_in(library, found);
    // It is only this call's reference that goes.
    dlclose(library);
  }
  free(all);
  return is_there;
}

cbootstrap_mpi_t cbootstrap_mpi(void) {
  mpi_functions mpi;
  if (!find_in(RTLD_DEFAULT, &mpi) && !find_private(&mpi)) return CBOOTSTRAP_MPI_ABSENT;
  int is_initialized = 0, is_finalized = 0;
  mpi.initialized(&is_initialized);
  mpi.finalized(&is_finalized);
  if (is_finalized) return CBOOTSTRAP_MPI_FINALIZED;
  return is_initialized ? CBOOTSTRAP_MPI_INITIALIZED : CBOOTSTRAP_MPI_LOADED;
}

int cbootstrap_has_library(const char *name) {
  void *library = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
  if (library == NULL) return 0;
  // It is only this call's reference that goes.
  dlclose(library);
  return 1;
}
