/**
 * @file CFaultFloor.h
 * The least that a page fetch on a page fault can cost on this machine: a SIGSEGV, a copy of the page out of
 * another mapping, and an mprotect, in plain C with nothing around it. What Merino's own fetch is measured
 * against; it uses nothing of Merino.
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
  CFAULTFLOOR_FRAMES_RESIDENT = 1
} cfaultfloor_frames_t;

/**
 * Reads one byte of each page once, in the order given, each read being one fault, and times each read.
 *
 * Not reentrant: it installs a SIGSEGV handler for the process while it runs, and puts the former one back.
 * Faults that are not its own meanwhile are left to the former handler.
 *
 * @param order page numbers, a permutation of 0...pages - 1.
 * @param pages how many.
 * @param page_bytes bytes copied and unprotected by one fault: a multiple of the system's page size.
 * @param nanoseconds receives the time of each read, in the order of the reads.
 * @param failed_call receives the name of the call that failed, where the result is not 0.
 * @return 0, or an errno: EINVAL for a wrong order or size; EIO where a page's contents came out wrong;
 *   otherwise what a system call said.
 */
int cfaultfloor_measure(const uint32_t *order, size_t pages, size_t page_bytes, cfaultfloor_frames_t frames,
                        uint64_t *nanoseconds, const char **failed_call);

#endif
