/* What CREATE carries to the new process: the program's variables, and the arena of its heap if it has one.
 * Memory that was zero at the start and has not been touched is left out, however large the arrays there
 * are. */
#include "Runtime.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Bytes that lie together in the process and in the image. */
struct run {
  uintptr_t start, end;
  size_t offset;
};

static struct RUNTIME_PAGES {
  struct run *runs;
  size_t run_count, run_capacity;
  /* /proc/self/pagemap: which pages are there; -1 where it cannot be read, and every page counts as there. */
  int pagemap;
} state RUNTIME_STATE = {NULL, 0, 0, -1};

typedef void (*page_fn)(uintptr_t start, uintptr_t end, void *context);

static void note_run(uintptr_t start, uintptr_t end) {
  if (state.run_count > 0 && state.runs[state.run_count - 1].end == start) {
    state.runs[state.run_count - 1].end = end;
    return;
  }
  if (state.run_count == state.run_capacity) {
    size_t had = state.run_capacity * sizeof *state.runs;
    state.run_capacity = state.run_capacity == 0 ? 256 : 2 * state.run_capacity;
    state.runs = parmacs_private_memory(state.runs, had, state.run_capacity * sizeof *state.runs);
  }
  state.runs[state.run_count].start = start;
  state.runs[state.run_count++].end = end;
}

/* Calls `visit` for the part of each page in [start, end) whose page is there: present or swapped out. */
static void pages_there(uintptr_t start, uintptr_t end, page_fn visit, void *context) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  uint64_t entries[512];
  while (start < end) {
    uintptr_t first = start / page;
    size_t count = (end - 1) / page - first + 1;
    if (count > 512) count = 512;
    ssize_t got = state.pagemap < 0 ? -1 : pread(state.pagemap, entries, count * 8, (off_t)(first * 8));
    for (size_t i = 0; i < count && start < end; i++) {
      uintptr_t next = (first + i + 1) * page;
      uintptr_t stop = next < end ? next : end;
      int there = got < (ssize_t)((i + 1) * 8) || (entries[i] >> 62) != 0;
      if (there) visit(start, stop, context);
      start = stop;
    }
  }
}

/* Calls `visit` for what may differ from how the process started: written = 1: all of it; written = 0: only
 * pages that were zero at the start and are there now. */
static void each_piece(page_fn visit, void *context, int written) {
  size_t count;
  const struct extent *extents = parmacs_program_variables(&count);
  for (size_t i = 0; i < count; i++) {
    uintptr_t zero = parmacs_program_zeros(&extents[i]);
    if (zero < extents[i].start) zero = extents[i].start;
    if (zero > extents[i].end) zero = extents[i].end;
    if (written && zero > extents[i].start) visit(extents[i].start, zero, context);
    pages_there(zero, extents[i].end, visit, context);
  }
  if (parmacs_heap_extent == NULL) return;
  struct extent heap = parmacs_heap_extent();
  pages_there(heap.start, heap.end, visit, context);
}

static void collect(uintptr_t start, uintptr_t end, void *context) {
  (void)context;
  note_run(start, end);
}

static void open_pagemap(void) {
  if (state.pagemap < 0) state.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

/* Memory is asked for anew only when it does not suffice, and never given back: what programs get from
 * G_MALLOC has not been used before. */
static void make_room(struct image *image, size_t bytes, const char *file, int line) {
  if (image->run_capacity < state.run_count) {
    image->run_capacity = 2 * state.run_count;
    image->runs = merino_parmacs_allocate(image->run_capacity * sizeof *state.runs, file, line);
  }
  if (image->byte_capacity < bytes) {
    image->byte_capacity = bytes + bytes / 2;
    image->bytes = merino_parmacs_allocate(image->byte_capacity, file, line);
  }
}

/* Copies page by page what is not there already: storing would send a page that has not changed. */
static void copy_changed(void *to, const void *from, size_t bytes) {
  unsigned char *target = to;
  const unsigned char *source = from;
  for (size_t done = 0; done < bytes;) {
    size_t part = 4096 - (uintptr_t)(target + done) % 4096;
    if (part > bytes - done) part = bytes - done;
    if (memcmp(target + done, source + done, part) != 0) memcpy(target + done, source + done, part);
    done += part;
  }
}

void parmacs_image_take(struct image *image, const char *file, int line) {
  open_pagemap();
  state.run_count = 0;
  each_piece(collect, NULL, 1);
  size_t bytes = 0;
  for (size_t i = 0; i < state.run_count; i++) {
    state.runs[i].offset = bytes;
    bytes += state.runs[i].end - state.runs[i].start;
  }
  make_room(image, bytes, file, line);
  for (size_t i = 0; i < state.run_count; i++) {
    const struct run *run = &state.runs[i];
    copy_changed(image->bytes + run->offset, (const void *)run->start, run->end - run->start);
  }
  copy_changed(image->runs, state.runs, state.run_count * sizeof *state.runs);
  image->run_count = state.run_count;
}

/* Zeroes [start, end) but for what the image has. */
static void clear_piece(uintptr_t start, uintptr_t end, void *context) {
  const struct image *image = context;
  size_t low = 0, high = image->run_count;
  while (low < high) { /* the first run that ends behind `start` */
    size_t middle = (low + high) / 2;
    if (image->runs[middle].end <= start) low = middle + 1;
    else high = middle;
  }
  for (; start < end; low++) {
    uintptr_t next = low < image->run_count && image->runs[low].start < end ? image->runs[low].start : end;
    if (next > start) memset((void *)start, 0, next - start);
    start = next == end ? end : image->runs[low].end;
  }
}

void parmacs_image_apply(const struct image *image) {
  open_pagemap();
  each_piece(clear_piece, (void *)(uintptr_t)image, 0);
  for (size_t i = 0; i < image->run_count; i++) {
    const struct run *run = &image->runs[i];
    copy_changed((void *)run->start, image->bytes + run->offset, run->end - run->start);
  }
}
