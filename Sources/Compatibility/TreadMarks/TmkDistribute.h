/**
 * @file TmkDistribute.h
 * What Tmk.h is made of, not for programs: Tmk_distribute, and Tmk_startup, which lays its ground.
 *
 * A distribution is a record in a log in shared memory. Every process has its own place in the log and after each of
 * its acquires (barrier, lock, condition) goes on to the end, copying what the records hold into its variables. All
 * do so in the order of the log, the one that distributed included, so that all end with the same values.
 *
 * To look whether something has come costs the load of one byte, `ready` of the next record, in a page that nothing
 * else is in: it stays in this process until somebody distributes. The byte is read without a lock. It goes from 0 to
 * 1 once, so there is no value between that could be read; where the distribution happens before the acquire, it is
 * read as 1. Everything else is read holding the guard.
 */
#ifndef MERINO_TREADMARKS_TMKDISTRIBUTE_H
#define MERINO_TREADMARKS_TMKDISTRIBUTE_H

#include "TmkState.h"

#include <elf.h>
#include <sys/auxv.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TMK_PAGE = 4096, TMK_RECORDS = 99 };

/* One call of Tmk_distribute. */
struct tmk_record {
  uint64_t offset;     /* of the variable, from where the executable is loaded */
  uint64_t size;
  void *bytes;         /* the value, in shared memory */
  uint64_t executable; /* fingerprint of the executable that distributed */
  uint32_t process;    /* that distributed */
  uint32_t copied;     /* how many processes have copied it */
};

/* A piece of the log: as much as fits into a page of its own. */
struct tmk_block {
  struct tmk_block *next; /* NULL while the last record is not taken */
  uint32_t used;          /* records taken */
  unsigned char ready[TMK_RECORDS];
  struct tmk_record records[TMK_RECORDS];
};

/* The program headers of the executable, which the kernel tells every process. */
static inline const Elf64_Phdr *tmk_headers(size_t *count) {
  *count = (size_t)getauxval(AT_PHNUM);
  return (const Elf64_Phdr *)getauxval(AT_PHDR);
}

/* Where the executable is loaded; differs between processes where addresses are random. */
static inline uintptr_t tmk_base(void) {
  size_t count;
  const Elf64_Phdr *headers = tmk_headers(&count);
  for (size_t i = 0; i < count; i++) {
    if (headers[i].p_type == PT_PHDR) return (uintptr_t)headers - headers[i].p_vaddr;
  }
  return 0; /* linked for fixed addresses */
}

static inline uint64_t tmk_hash(uint64_t hash, const void *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
  return hash;
}

/* Differs between two executables: their layout, and the build ID that the linker gave them. */
static inline uint64_t tmk_fingerprint(void) {
  size_t count;
  const Elf64_Phdr *headers = tmk_headers(&count);
  uint64_t hash = tmk_hash(0xcbf29ce484222325u, headers, count * sizeof *headers);
  for (size_t i = 0; i < count; i++) {
    if (headers[i].p_type != PT_NOTE) continue;
    hash = tmk_hash(hash, (const void *)(tmk_base() + headers[i].p_vaddr), headers[i].p_memsz);
  }
  return hash;
}

/* Whether the two ranges have a byte in common. */
static inline int tmk_overlap(uintptr_t a, uint64_t a_size, uintptr_t b, uint64_t b_size) {
  return a < b + b_size && b < a + a_size;
}

/* Whether the range lies in what the executable may write: its data and bss, but for the tables that the loader
 * fills and protects, which have addresses in them. */
static inline int tmk_is_variable(uintptr_t address, uint64_t size) {
  size_t count;
  const Elf64_Phdr *headers = tmk_headers(&count);
  int inside = 0;
  for (size_t i = 0; i < count; i++) {
    uintptr_t begin = tmk_base() + headers[i].p_vaddr;
    if (headers[i].p_type == PT_LOAD && (headers[i].p_flags & PF_W) != 0 && address >= begin &&
        address - begin <= headers[i].p_memsz && size <= headers[i].p_memsz - (address - begin)) {
      inside = 1;
    }
    if (headers[i].p_type == PT_GNU_RELRO && tmk_overlap(address, size, begin, headers[i].p_memsz)) return 0;
  }
  return inside && !tmk_overlap(address, size, (uintptr_t)&tmk_process, sizeof tmk_process) &&
         !tmk_overlap(address, size, (uintptr_t)&Tmk_nprocs, sizeof Tmk_nprocs) &&
         !tmk_overlap(address, size, (uintptr_t)&Tmk_proc_id, sizeof Tmk_proc_id);
}

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

/* Copies the record into its variable, and frees what no process needs any more. The guard is held. */
static inline void tmk_copy(struct tmk_block *block, struct tmk_record *record) {
  int last = record == &block->records[TMK_RECORDS - 1];
  if (record->executable != tmk_process.executable) {
    tmk_fail("Tmk_distribute by process %u: that process and this one run different executables, whose variables lie "
             "at different places; start all processes with the same file.", record->process);
  }
  memcpy((void *)(tmk_base() + record->offset), record->bytes, record->size);
  if (last) {
    tmk_go_to(block->next, 0);
  } else {
    tmk_go_to(block, tmk_process.record + 1);
  }
  record->copied++;
  if (record->copied < Tmk_nprocs) return;
  merino_free(record->bytes);
  /* Who has copied the last record has copied all before it. */
  if (last) merino_free(block);
}

static inline void tmk_copy_all(void) {
  while (tmk_process.block->ready[tmk_process.record]) {
    tmk_copy(tmk_process.block, &tmk_process.block->records[tmk_process.record]);
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
static inline void tmk_append(uintptr_t address, size_t size, void *bytes) {
  struct tmk_block *block = tmk_process.job->last;
  uint32_t place = block->used++;
  struct tmk_record *record = &block->records[place];
  record->offset = address - tmk_base();
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
    tmk_fail("Tmk_distribute(%p, %zu): these bytes are not a static or global variable of the executable; variables on "
             "the stack, in private or shared allocated memory, of threads and of libraries cannot be distributed.",
             variable, size);
  }
  /* The value, before anything that another process distributed is copied over it. */
  void *bytes = tmk_allocate(16, size, "Tmk_distribute");
  memcpy(bytes, variable, size);
  tmk_must(merino_lock_acquire(tmk_process.job->guard), "Tmk_distribute(%p, %zu)", variable, size);
  tmk_append((uintptr_t)variable, size, bytes);
  tmk_copy_all();
  tmk_must(merino_lock_release(tmk_process.job->guard), "Tmk_distribute(%p, %zu)", variable, size);
}

static inline void tmk_join(void) {
  if (tmk_process.joined != 0 || tmk_process.left) tmk_fail("Tmk_startup: a process joins once in its life.");
  tmk_must(merino_init(), "Tmk_startup");
  Tmk_nprocs = (unsigned)merino_nodes();
  Tmk_proc_id = (unsigned)merino_node();
  tmk_process.executable = tmk_fingerprint();
  tmk_process.job = (struct tmk_job *)merino_collective_malloc(sizeof *tmk_process.job, 0);
  if (tmk_process.job == NULL) tmk_fail("Tmk_startup: %s", merino_last_error());
  if (Tmk_proc_id == 0) {
    tmk_must(merino_lock_create(&tmk_process.job->guard), "Tmk_startup");
    tmk_process.job->last = tmk_new_block();
  }
  tmk_must(merino_barrier(), "Tmk_startup");
  tmk_go_to(tmk_process.job->last, 0);
  if (on_exit(tmk_at_exit, NULL) != 0) tmk_fail("Tmk_startup: no memory for a function to be called at exit.");
  tmk_process.joined = getpid();
  /* Nobody may distribute, and so move `last` on, before all have read it. */
  tmk_must(merino_barrier(), "Tmk_startup");
}

#ifdef __cplusplus
}
#endif

#endif
