// PMIx, of which this is as much as joining needs, after the PMIx Standard (versions 3 to 5). The library is
// loaded at run time: neither its headers nor the library itself are needed to build or to ship Merino.
// In C because its structures hold arrays of 256 and 512 characters, and its fence calls back.
#ifndef CBOOTSTRAP_PMIX_H
#define CBOOTSTRAP_PMIX_H

#include <stdint.h>

/// What is neither 0 nor a status of PMIx: nothing has come within the time limit.
#define CBOOTSTRAP_PMIX_TIMED_OUT 1

/// libpmix in this process, and its connection to the launcher's server.
typedef struct cbootstrap_pmix cbootstrap_pmix_t;

/// Loads the library, for good. `only_if_loaded`: takes the one that somebody else in this process uses.
/// NULL where it is not to be had, or is no libpmix; then `reason` (up to `size` bytes) says why.
cbootstrap_pmix_t *cbootstrap_pmix_load(const char *path, int only_if_loaded, char *reason, int size);
/// The file that was loaded.
const char *cbootstrap_pmix_path(const cbootstrap_pmix_t *pmix);

/// PMIx_Init, which counts its calls: an MPI library of this process may make its own before or behind it.
/// The threads that it starts have all signals blocked.
int cbootstrap_pmix_init(cbootstrap_pmix_t *pmix, uint32_t *rank);
int cbootstrap_pmix_job_size(cbootstrap_pmix_t *pmix, uint32_t *size);
/// PMIx_Put and PMIx_Commit of a text for everybody.
int cbootstrap_pmix_put(cbootstrap_pmix_t *pmix, const char *key, const char *text);
/// PMIx_Fence of the whole job, with its data.
int cbootstrap_pmix_fence(cbootstrap_pmix_t *pmix, int timeout_milliseconds);
/// A process's text, up to `size` bytes with the zero.
int cbootstrap_pmix_get(cbootstrap_pmix_t *pmix, uint32_t rank, const char *key, char *text, int size);
int cbootstrap_pmix_abort(cbootstrap_pmix_t *pmix, int code, const char *sentence);
int cbootstrap_pmix_finalize(cbootstrap_pmix_t *pmix);
/// A status in the library's own words.
const char *cbootstrap_pmix_words(const cbootstrap_pmix_t *pmix, int status);

#endif
