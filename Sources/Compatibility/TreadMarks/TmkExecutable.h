/**
 * @file TmkExecutable.h
 * What Tmk.h is made of, not for programs: where the variables of the executable are in this process.
 */
#ifndef MERINO_TREADMARKS_TMKEXECUTABLE_H
#define MERINO_TREADMARKS_TMKEXECUTABLE_H

#include "TmkState.h"

#include <elf.h>
#include <sys/auxv.h>

#ifdef __cplusplus
extern "C" {
#endif

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

/* Whether the range lies in what the executable may write: its data and bss, but for the tables that the
 * loader fills and protects, which have addresses in them. */
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

#ifdef __cplusplus
}
#endif

#endif
