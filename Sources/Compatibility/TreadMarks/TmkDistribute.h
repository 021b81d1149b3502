/**
 * @file TmkDistribute.h
 * What Tmk.h is made of, not for programs: Tmk_distribute, and the log that it writes.
 *
 * A distribution is a record in a log in shared memory. Every process has its own place in the log and after
 * each of its acquires (barrier, lock, condition) goes on to the end, copying what the records hold into its
 * variables. All do so in the order of the log, the one that distributed included, so that all end with the
 * same values.
 *
 * To look whether something has come costs the load of one byte, `ready` of the next record, in a page that
 * nothing else is in: it stays in this process until somebody distributes. The byte is read without a lock.
 * It goes from 0 to 1 once, so there is no value between that could be read; where the distribution happens
 * before the acquire, it is read as 1. Everything else is read holding the guard.
 */
#ifndef MERINO_TREADMARKS_TMKDISTRIBUTE_H
#define MERINO_TREADMARKS_TMKDISTRIBUTE_H

#include "TmkExecutable.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TMK_PAGE = 4096, TMK_RECORDS = 99 };

/* One call of Tmk_distribute; or, where `bytes` is NULL, that a process has left. */
struct tmk_record {
  uint64_t offset;     /* of the variable, from where the executable is loaded; or the barriers it passed */
  uint64_t size;
  void *bytes;         /* the value, in shared memory */
  uint64_t executable; /* fingerprint of the executable that distributed */
  uint32_t process;    /* that distributed, or left */
  uint32_t copied;     /* how many processes have copied it */
};

/* A piece of the log: as much as fits into a page of its own. */
struct tmk_block {
  struct tmk_block *next; /* NULL while the last record is not taken */
  uint32_t used;          /* records taken */
  unsigned char ready[TMK_RECORDS];
  struct tmk_record records[TMK_RECORDS];
};

static inline void *tmk_allocate(size_t alignment, size_t size, const char *what) {
  void *block = merino_aligned_alloc(alignment, size);
  if (block == NULL) tmk_fail("%s: %s", what, merino_last_error());
  return block;
}

static inline struct tmk_block *tmk_new_block(void) {
  /* Whole pages, which nothing else shares. */
  size_t size = (sizeof(struct tmk_block) + TMK_PAGE - 1) / TMK_PAGE * TMK_PAGE;
  struct tmk_block *block = (struct tmk_block *)tmk_allocate(TMK_PAGE, size, "Tmk_distribute: its log");
  memset(block, 0, size);
  return block;
}

/* The record that this process copies next. */
static inline void tmk_go_to(struct tmk_block *block, unsigned record) {
  tmk_process.block = block;
  tmk_process.record = record;
  __atomic_store_n(&tmk_process.ready, &block->ready[record], __ATOMIC_RELEASE);
}

/* What the record says, here. The guard is held. */
static inline void tmk_take(const struct tmk_record *record) {
  if (record->bytes == NULL) {
    if (tmk_process.leaver != 0 && tmk_process.leaver_barriers <= record->offset) return;
    tmk_process.leaver = record->process + 1;
    tmk_process.leaver_barriers = record->offset;
    return;
  }
  if (record->executable != tmk_process.executable) {
    tmk_fail("Tmk_distribute by process %u: that process and this one run different executables, whose "
             "variables lie at different places; start all processes with the same file.", record->process);
  }
  memcpy((void *)(tmk_base() + record->offset), record->bytes, record->size);
}

/* Goes past the record, and frees what no process needs any more. The guard is held. */
static inline void tmk_pass(struct tmk_block *block, struct tmk_record *record) {
  int last = record == &block->records[TMK_RECORDS - 1];
  if (last) {
    tmk_go_to(block->next, 0);
  } else {
    tmk_go_to(block, tmk_process.record + 1);
  }
  record->copied++;
  if (record->copied < Tmk_nprocs) return;
  /* A process that has left copies nothing: from then on nothing is freed any more. */
  merino_free(record->bytes);
  /* Who has copied the last record has copied all before it. */
  if (last) merino_free(block);
}

static inline void tmk_copy_all(void) {
  while (tmk_process.block->ready[tmk_process.record]) {
    struct tmk_block *block = tmk_process.block;
    struct tmk_record *record = &block->records[tmk_process.record];
    tmk_take(record);
    tmk_pass(block, record);
  }
}

/* After every acquire. */
static inline void tmk_catch_up(void) {
  const unsigned char *ready = __atomic_load_n(&tmk_process.ready, __ATOMIC_ACQUIRE);
  if (!__atomic_load_n(ready, __ATOMIC_RELAXED)) return;
  tmk_must(merino_lock_acquire(tmk_process.job->guard), "copying what Tmk_distribute sent");
  tmk_copy_all();
  tmk_must(merino_lock_release(tmk_process.job->guard), "copying what Tmk_distribute sent");
}

/* Appends a record. The guard is held. */
static inline void tmk_append(uint64_t offset, size_t size, void *bytes) {
  struct tmk_block *block = tmk_process.job->last;
  uint32_t place = block->used++;
  struct tmk_record *record = &block->records[place];
  record->offset = offset;
  record->size = size;
  record->bytes = bytes;
  record->executable = tmk_process.executable;
  record->process = Tmk_proc_id;
  record->copied = 0;
  /* Before the record is ready: who copies the last one goes on to the next block. */
  if (place == TMK_RECORDS - 1) {
    block->next = tmk_new_block();
    tmk_process.job->last = block->next;
  }
  block->ready[place] = 1;
}

static inline void tmk_distribute(void *variable, size_t size) {
  if (size == 0) return;
  if (!tmk_is_variable((uintptr_t)variable, size)) {
    tmk_fail("Tmk_distribute(%p, %zu): these bytes are not a static or global variable of the executable; "
             "variables on the stack, in private or shared allocated memory, of threads and of libraries "
             "cannot be distributed.",
             variable, size);
  }
  /* The value, before anything that another process distributed is copied over it. */
  void *bytes = tmk_allocate(16, size, "Tmk_distribute");
  memcpy(bytes, variable, size);
  tmk_must(merino_lock_acquire(tmk_process.job->guard), "Tmk_distribute(%p, %zu)", variable, size);
  tmk_append((uintptr_t)variable - tmk_base(), size, bytes);
  tmk_copy_all();
  tmk_must(merino_lock_release(tmk_process.job->guard), "Tmk_distribute(%p, %zu)", variable, size);
}

#ifdef __cplusplus
}
#endif

#endif
