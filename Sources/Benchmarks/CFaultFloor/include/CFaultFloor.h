/**
 * @file CFaultFloor.h
 * The least that the local steps of shared memory by page faults can cost on this machine, in plain C with
 * nothing around them: a SIGSEGV, a copy of the page out of another mapping, an mprotect; comparing pages.
 * What Merino's own steps are measured against; it uses nothing of Merino.
 */
#ifndef CFAULTFLOOR_H
#define CFAULTFLOOR_H

#include <stddef.h>
#include <stdint.h>

/** Whether the frames that pages are copied into have memory already. */
typedef enum cfaultfloor_frames {
  /** They have not: the copy makes the kernel allocate and zero them, as at the first touch of a page. */
  CFAULTFLOOR_FRAMES_EMPTY = 0,
  /** They have, and the page tables know them: as when a page is fetched again. */
  CFAULTFLOOR_FRAMES_RESIDENT = 1,
  /** They have, and the application's page tables do not know them: as at the first fetch into registered
   * memory. */
  CFAULTFLOOR_FRAMES_UNMAPPED = 2
} cfaultfloor_frames_t;

/** What the faulting accesses are. */
typedef enum cfaultfloor_access {
  /** Loads of pages without access, which become readable. */
  CFAULTFLOOR_ACCESS_READ = 0,
  /** Stores to pages without access, which become writable. */
  CFAULTFLOOR_ACCESS_WRITE = 1,
  /** Stores to readable pages, which become writable. */
  CFAULTFLOOR_ACCESS_UPGRADE = 2
} cfaultfloor_access_t;

/** A kind of fault. */
typedef struct cfaultfloor_kind {
  /** What is known of the memory that the page is copied into. */
  cfaultfloor_frames_t frames;
  /** What faults. */
  cfaultfloor_access_t access;
  /** Whether the handler copies the page. */
  int copies;
  /** What the handler calls besides, with `context`, before it makes the page accessible; or NULL. */
  void (*fetch)(void *context);
  /** For `fetch`. */
  void *context;
  /** Whether the handler looks at the clock: then the parts of the time are filled in, and the total is
   * longer. */
  int stamps;
} cfaultfloor_kind_t;

/** Nanoseconds of a fault. Without stamps only the total. */
typedef struct cfaultfloor_times {
  /** From before the access to after it. */
  uint64_t total;
  /** From before the access to the handler's first line. */
  uint64_t trap;
  /** The handler's copy. */
  uint64_t copy;
  /** The handler's mprotect. */
  uint64_t protect;
  /** From the handler's last line to after the access, carried out again. */
  uint64_t resume;
} cfaultfloor_times_t;

/**
 * Accesses one byte of each page once, in the order given, each access being one fault, and times each.
 *
 * Not reentrant: it installs a SIGSEGV handler for the process while it runs, and puts the former one back.
 * Faults that are not its own meanwhile are left to the former handler.
 *
 * @param order page numbers, a permutation of 0...pages - 1.
 * @param pages how many.
 * @param page_bytes bytes copied and unprotected by one fault: a multiple of the system's page size.
 * @param times receives the time of each access, in the order of the accesses.
 * @param failed_call receives the name of the call that failed, where the result is not 0.
 * @return 0, or an errno: EINVAL for a wrong order or size; EIO where a page's contents came out wrong;
 *   otherwise what a system call said.
 */
int cfaultfloor_measure(const uint32_t *order, size_t pages, size_t page_bytes,
                        const cfaultfloor_kind_t *kind, cfaultfloor_times_t *times, const char **failed_call);

/**
 * The local part of a release: written pages are made read-only, and each is compared with a copy, which it
 * equals, so that all of it is looked at.
 *
 * @param pages pages that are written.
 * @param page_bytes a multiple of the system's page size.
 * @param stride 1: contiguous pages and one mprotect; more: every stride-th page, an mprotect for each.
 * @param rounds how often.
 * @param protect receives the nanoseconds of a round's mprotects.
 * @param compare receives the nanoseconds of a round's comparisons.
 * @param failed_call as for cfaultfloor_measure.
 * @return as cfaultfloor_measure.
 */
int cfaultfloor_release(size_t pages, size_t page_bytes, size_t stride, size_t rounds, uint64_t *protect,
                        uint64_t *compare, const char **failed_call);

#endif
