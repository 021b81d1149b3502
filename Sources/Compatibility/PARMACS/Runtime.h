/* What the files of the PARMACS run-time share. The run-time is linked into the program's executable, whose
 * variables are replaced by those of the main program at each CREATE: its own are in a section that stays as
 * it is. */
#ifndef MERINO_PARMACS_RUNTIME_H
#define MERINO_PARMACS_RUNTIME_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <stddef.h>
#include <stdint.h>

#include "merino_parmacs.h"

/* Each file has one structure of variables, which carries this: it fills whole pages, for the mode in which
 * all other variables of the executable are in shared memory. */
#define RUNTIME_STATE __attribute__((section("merino_parmacs_state")))
#if defined(__x86_64__)
#define RUNTIME_PAGES __attribute__((aligned(4096)))
#else
#define RUNTIME_PAGES __attribute__((aligned(65536)))
#endif
/* The linker's names for the section's bounds. */
extern char __start_merino_parmacs_state[], __stop_merino_parmacs_state[];

/* An extent of addresses, end excluded. */
struct extent {
  uintptr_t start, end;
};

/* ---- Failure.c */

/* Ends the job with a sentence: what was tried, where in the program (NULL: nowhere in particular), and
 * why. */
MERINO_NORETURN void parmacs_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Writes one line to standard error, in one piece: that of several nodes must not mix. */
void parmacs_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the job with merino_last_error if `result` is a failure. */
void parmacs_expect(int result, const char *what, const char *file, int line);

/* ---- Private.c */

/* Memory of this process alone, never carried: as realloc, which may be the program's here. */
void *parmacs_private_memory(void *old, size_t old_bytes, size_t bytes);

/* ---- Restart.c */

/* Why this process runs at random addresses although it should not: an errno; 0 where it does not. */
int parmacs_restart_failure(void);
/* The path of the executable. */
const char *parmacs_executable(void);

/* ---- Program.c: the executable's variables */

/* Finds the extents of the executable that hold the program's variables. */
void parmacs_program_find(void);
/* These extents in order of address; they are the same on all nodes of one executable. */
const struct extent *parmacs_program_variables(size_t *count);
/* Where memory begins that was zero at the start, in the extent that begins at `start`. */
uintptr_t parmacs_program_zeros(const struct extent *extent);
/* The writable segment that an address of a variable lies in. */
const struct extent *parmacs_program_segment(uintptr_t address);
/* From now on there are no variables to carry: they are shared. */
void parmacs_program_carry_nothing(void);

/* ---- Identity.c */

#define PARMACS_OBJECTS 64

/* A file that the process was loaded from. */
struct object {
  uintptr_t base;
  size_t bytes;
  char name[64];
};

/* What has to be the same on all nodes, for addresses to mean the same on them. */
struct identity {
  uint64_t contents; /* a hash of the executable */
  size_t count;
  struct object objects[PARMACS_OBJECTS]; /* the executable is the first */
};

void parmacs_identity_take(struct identity *identity);
/* Ends the job, naming the difference, where this node's identity is not the main program's. */
void parmacs_identity_compare(const struct identity *main_program, const struct identity *mine);

/* ---- Image.c: what CREATE carries */

/* Describes an image in shared memory. */
struct image {
  struct run *runs;
  unsigned char *bytes;
  size_t run_count, run_capacity, byte_capacity;
};

/* Puts the program's variables into the image, which only grows. */
void parmacs_image_take(struct image *image, const char *file, int line);
/* Makes this process's variables those of the image. */
void parmacs_image_apply(const struct image *image);

/* ---- Globals.c: MERINO_PARMACS_GLOBALS=shared */

/* Whether the program's variables are to be shared: the same on all nodes. */
int parmacs_globals_wanted(void);
/* Puts the program's variables, as node 0 has them, into shared memory at their addresses. Collective. */
void parmacs_globals_share(void);
/* Around merino_finalize, in a process that goes on with its variables afterwards. */
void parmacs_globals_save(void);
void parmacs_globals_restore(void);

/* ---- Arena.c, in programs that are linked with carried-heap.link only */

/* The part of the arena in use. */
__attribute__((weak)) struct extent parmacs_heap_extent(void);

#endif
