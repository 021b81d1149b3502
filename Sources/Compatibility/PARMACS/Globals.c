/* MERINO_PARMACS_GLOBALS=shared: the program's variables themselves are in shared memory, for programs that
 * assign them after CREATE and expect all processes to see it, as threads do. The pages of the executable
 * that hold variables are replaced by a view of a segment at the same addresses.
 *
 * Nothing that belongs to the process may be in these pages. That is so in an executable that is compiled
 * with -fPIC (no COPY relocations) and linked with -z now (the global offset table is protected); else a
 * sentence says what is in the way. */
#include "Runtime.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RANGES 64

static struct RUNTIME_PAGES {
  struct extent ranges[RANGES]; /* whole pages */
  void *saved[RANGES];
  size_t count;
} state RUNTIME_STATE = {{{0, 0}}, {NULL}, 0};

int parmacs_globals_wanted(void) {
  const char *setting = getenv("MERINO_PARMACS_GLOBALS");
  if (setting == NULL || strcmp(setting, "") == 0 || strcmp(setting, "carried") == 0) return 0;
  if (strcmp(setting, "shared") == 0) return 1;
  parmacs_fail(NULL, 0, "MERINO_PARMACS_GLOBALS=%s: it is `carried' (the default) or `shared'", setting);
}

/* ---- Which pages */

static void in_the_way(uintptr_t address, size_t bytes) {
  Dl_info info;
  int known =
      dladdr((void *)address, &info) != 0 && info.dli_sname != NULL && info.dli_saddr == (void *)address;
  const char *name = known ? info.dli_sname : "a part of its dynamic linking";
  /* All nodes find the same, and one says it. */
  if (merino_node() != 0) {
    (void)merino_barrier();
    _exit(1);
  }
  parmacs_fail(NULL, 0,
               "MERINO_PARMACS_GLOBALS=shared: %s has %s (%zu bytes at 0x%zx) in a page with its variables, "
               "and that belongs to each process; compile with -fPIC and link with -Wl,-z,now",
               parmacs_executable(), name, bytes, (size_t)address);
}

/* Makes `state.ranges` of the extents of variables, which are sorted: every byte of their pages is a
 * variable's, or outside of the segment. */
static void find_ranges(void) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  size_t count;
  const struct extent *extents = parmacs_program_variables(&count);
  struct extent *last = NULL;
  uintptr_t last_end = 0;
  for (size_t i = 0; i < count; i++) {
    const struct extent *segment = parmacs_program_segment(extents[i].start);
    struct extent pages = {extents[i].start & ~(page - 1), (extents[i].end + page - 1) & ~(page - 1)};
    uintptr_t before = pages.start > segment->start ? pages.start : segment->start;
    if (last != NULL && pages.start < last->end) {
      if (last_end < extents[i].start) in_the_way(last_end, extents[i].start - last_end);
      last->end = pages.end;
    } else {
      if (before < extents[i].start) in_the_way(before, extents[i].start - before);
      if (state.count == RANGES) {
        parmacs_fail(NULL, 0, "the variables of %s lie in too many places", parmacs_executable());
      }
      last = &state.ranges[state.count++];
      *last = pages;
    }
    last_end = extents[i].end;
    uintptr_t next = i + 1 < count && extents[i + 1].start < pages.end ? extents[i + 1].start : pages.end;
    if (next > segment->end) next = segment->end;
    if (last_end < next && (i + 1 == count || extents[i + 1].start >= pages.end))
      in_the_way(last_end, next - last_end);
  }
}

/* ---- Replacing them. Nothing here may use a variable of the executable but this run-time's. */

/* Copies what is not zero, so that memory which nobody has touched stays untouched. */
static void copy_nonzero(void *to, const void *from, size_t bytes) {
  static const char zero[4096] = {0};
  for (size_t done = 0; done < bytes; done += sizeof zero) {
    const char *source = (const char *)from + done;
    if (memcmp(source, zero, sizeof zero) != 0) memcpy((char *)to + done, source, sizeof zero);
  }
}

static void *copy_of(const struct extent *range) {
  size_t bytes = range->end - range->start;
  void *copy = parmacs_private_memory(NULL, 0, bytes);
  copy_nonzero(copy, (const void *)range->start, bytes);
  return copy;
}

static merino_segment_t segment_of(size_t number) {
  char name[64];
  merino_segment_t segment = 0;
  snprintf(name, sizeof name, "merino-parmacs-globals-%zu", number);
  if (merino_node() == 0) {
    size_t bytes = state.ranges[number].end - state.ranges[number].start;
    parmacs_expect(merino_segment_create(name, bytes, NULL, &segment), "sharing the program's variables",
                   NULL, 0);
  }
  parmacs_expect(merino_barrier(), "sharing the program's variables", NULL, 0);
  if (merino_node() != 0) {
    parmacs_expect(merino_segment_open(name, &segment), "sharing the program's variables", NULL, 0);
  }
  return segment;
}

static void replace(size_t number) {
  const struct extent *range = &state.ranges[number];
  size_t bytes = range->end - range->start;
  merino_segment_t segment = segment_of(number);
  void *copy = merino_node() == 0 ? copy_of(range) : NULL, *view;
  munmap((void *)range->start, bytes);
  parmacs_expect(merino_segment_attach(segment, (void *)range->start, PROT_READ | PROT_WRITE, &view),
                 "sharing the program's variables", NULL, 0);
  if (copy != NULL) {
    copy_nonzero(view, copy, bytes);
    munmap(copy, bytes);
  }
}

void parmacs_globals_share(void) {
  find_ranges();
  for (size_t i = 0; i < state.count; i++) replace(i);
  parmacs_expect(merino_barrier(), "sharing the program's variables", NULL, 0);
  parmacs_program_carry_nothing();
}

/* ---- After the job, destructors and exit handlers of the program find its variables as they were. */

void parmacs_globals_save(void) {
  for (size_t i = 0; i < state.count; i++) state.saved[i] = copy_of(&state.ranges[i]);
}

void parmacs_globals_restore(void) {
  for (size_t i = 0; i < state.count; i++) {
    size_t bytes = state.ranges[i].end - state.ranges[i].start;
    void *where = (void *)state.ranges[i].start;
    if (mremap(state.saved[i], bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, where) != where) _exit(1);
  }
  state.count = 0;
}
