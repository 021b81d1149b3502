/* Which bytes of the executable are the program's variables: its writable segments, without what belongs to
 * the process rather than to the program. That is what the dynamic linker fills in for this process (the
 * range that it protects afterwards, the dynamic section, the global offset table, the slots of the procedure
 * linkage table), variables of libraries that the linker placed in the executable (COPY relocations: stdout,
 * environ, optarg), and the state of this run-time. */
#include "Runtime.h"

#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
enum {
  COPY = R_X86_64_COPY,
  SLOT = R_X86_64_JUMP_SLOT,
  DATA = R_X86_64_GLOB_DAT,
  INDIRECT = R_X86_64_IRELATIVE
};
enum {
  MODULE = R_X86_64_DTPMOD64,
  DTP = R_X86_64_DTPOFF64,
  TP = R_X86_64_TPOFF64,
  DESCRIPTOR = R_X86_64_TLSDESC
};
#elif defined(__aarch64__)
enum {
  COPY = R_AARCH64_COPY,
  SLOT = R_AARCH64_JUMP_SLOT,
  DATA = R_AARCH64_GLOB_DAT,
  INDIRECT = R_AARCH64_IRELATIVE
};
enum { MODULE = R_AARCH64_TLS_DTPMOD, DTP = R_AARCH64_TLS_DTPREL, TP = R_AARCH64_TLS_TPREL,
       DESCRIPTOR = R_AARCH64_TLSDESC };
#else
#error "the relocations of this processor are not known here"
#endif

/* The writable segments of an executable, at most: there are two in practice. */
#define SEGMENTS 16

static struct RUNTIME_PAGES {
  struct extent *variables;
  size_t variable_count;
  /* Each writable segment, and from where on its memory is not in the file. */
  struct extent segments[SEGMENTS];
  uintptr_t zeros[SEGMENTS];
  size_t segment_count;
} state RUNTIME_STATE = {NULL, 0, {{0, 0}}, {0}, 0};

struct extents {
  struct extent *all;
  size_t count, capacity;
};

static void add(struct extents *list, uintptr_t start, size_t bytes) {
  if (bytes == 0) return;
  if (list->count == list->capacity) {
    size_t had = list->capacity * sizeof *list->all;
    list->capacity = list->capacity == 0 ? 256 : 2 * list->capacity;
    list->all = parmacs_private_memory(list->all, had, list->capacity * sizeof *list->all);
  }
  list->all[list->count++] = (struct extent){start, start + bytes};
}

/* The part of the dynamic section that is needed here. */
struct dynamic {
  const ElfW(Rela) * relocations, *slots;
  size_t relocation_bytes, slot_bytes;
  const ElfW(Sym) * symbols;
  uintptr_t table; /* DT_PLTGOT */
};

static struct dynamic read_dynamic(uintptr_t base, const ElfW(Dyn) * entry) {
  struct dynamic found = {NULL, NULL, 0, 0, NULL, 0};
  for (; entry->d_tag != DT_NULL; entry++) {
    /* The C library may have relocated the addresses in place, or not. */
    uintptr_t address = entry->d_un.d_ptr < base ? base + entry->d_un.d_ptr : entry->d_un.d_ptr;
    switch (entry->d_tag) {
      case DT_RELA: found.relocations = (const void *)address; break;
      case DT_RELASZ: found.relocation_bytes = entry->d_un.d_val; break;
      case DT_JMPREL: found.slots = (const void *)address; break;
      case DT_PLTRELSZ: found.slot_bytes = entry->d_un.d_val; break;
      case DT_SYMTAB: found.symbols = (const void *)address; break;
      case DT_PLTGOT: found.table = address; break;
    }
  }
  return found;
}

static void leave_out_relocated(struct extents *out, uintptr_t base, const ElfW(Rela) * all, size_t bytes,
                                const ElfW(Sym) * symbols) {
  for (size_t i = 0; i < bytes / sizeof *all; i++) {
    uintptr_t place = base + all[i].r_offset;
    switch (ELF64_R_TYPE(all[i].r_info)) {
      case COPY: add(out, place, symbols[ELF64_R_SYM(all[i].r_info)].st_size); break;
      case SLOT: case DATA: case INDIRECT: case DTP: case TP: add(out, place, sizeof(uintptr_t)); break;
      case MODULE: case DESCRIPTOR: add(out, place, 2 * sizeof(uintptr_t)); break;
      default:
        break; /* the program's own pointers: the libraries, too, are at the same addresses everywhere */
    }
  }
}

static int by_start(const void *a, const void *b) {
  uintptr_t left = ((const struct extent *)a)->start, right = ((const struct extent *)b)->start;
  return left < right ? -1 : left > right;
}

/* Adds what is left of [start, end) without the extents of `out`, which are sorted. */
static void add_remains(struct extents *list, uintptr_t start, uintptr_t end, const struct extents *out) {
  for (size_t i = 0; i < out->count && start < end; i++) {
    if (out->all[i].end <= start || out->all[i].start >= end) continue;
    if (out->all[i].start > start) add(list, start, out->all[i].start - start);
    start = out->all[i].end;
  }
  if (start < end) add(list, start, end - start);
}

static void divide(uintptr_t base, const ElfW(Phdr) * headers, size_t count) {
  struct extents out = {NULL, 0, 0}, in = {NULL, 0, 0};
  const ElfW(Dyn) *dynamic = NULL;
  int interpreted = 0;
  for (size_t i = 0; i < count; i++) {
    if (headers[i].p_type == PT_INTERP) interpreted = 1;
    if (headers[i].p_type == PT_DYNAMIC) dynamic = (const void *)(base + headers[i].p_vaddr);
    if (headers[i].p_type == PT_DYNAMIC || headers[i].p_type == PT_GNU_RELRO) {
      add(&out, base + headers[i].p_vaddr, headers[i].p_memsz);
    }
  }
  if (!interpreted || dynamic == NULL) {
    parmacs_fail(NULL, 0, "%s is linked statically: what the C library keeps would be overwritten by CREATE; "
                 "link it without -static", parmacs_executable());
  }
  struct dynamic found = read_dynamic(base, dynamic);
  leave_out_relocated(&out, base, found.relocations, found.relocation_bytes, found.symbols);
  leave_out_relocated(&out, base, found.slots, found.slot_bytes, found.symbols);
  /* The dynamic linker keeps three words of its own before the slots. */
  if (found.table != 0) add(&out, found.table, 3 * sizeof(uintptr_t));
  add(&out, (uintptr_t)__start_merino_parmacs_state,
      (size_t)(__stop_merino_parmacs_state - __start_merino_parmacs_state));
  qsort(out.all, out.count, sizeof *out.all, by_start);
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (size_t i = 0; i < count; i++) {
    if (headers[i].p_type != PT_LOAD || (headers[i].p_flags & PF_W) == 0) continue;
    uintptr_t start = base + headers[i].p_vaddr;
    if (state.segment_count == SEGMENTS) {
      parmacs_fail(NULL, 0, "%s has too many writable segments", parmacs_executable());
    }
    state.zeros[state.segment_count] = (start + headers[i].p_filesz + page - 1) & ~(page - 1);
    state.segments[state.segment_count++] = (struct extent){start, start + headers[i].p_memsz};
    add_remains(&in, start, start + headers[i].p_memsz, &out);
  }
  state.variables = in.all;
  state.variable_count = in.count;
}

/* The library's state must not lie in the executable, where CREATE would overwrite it. */
static void refuse_archive(uintptr_t base, const ElfW(Phdr) * headers, size_t count) {
  uintptr_t constant = (uintptr_t)merino_version();
  for (size_t i = 0; i < count; i++) {
    uintptr_t start = base + headers[i].p_vaddr;
    if (headers[i].p_type == PT_LOAD && constant >= start && constant < start + headers[i].p_memsz) {
      parmacs_fail(NULL, 0,
                   "%s is linked with libmerino.a: what the library keeps would be overwritten by CREATE; "
                   "link it with libmerino.so",
                   parmacs_executable());
    }
  }
}

static int first_object(struct dl_phdr_info *info, size_t size, void *result) {
  (void)size;
  *(struct dl_phdr_info *)result = *info;
  return 1;
}

void parmacs_program_find(void) {
  struct dl_phdr_info program;
  memset(&program, 0, sizeof program);
  dl_iterate_phdr(first_object, &program);
  refuse_archive(program.dlpi_addr, program.dlpi_phdr, program.dlpi_phnum);
  divide(program.dlpi_addr, program.dlpi_phdr, program.dlpi_phnum);
}

const struct extent *parmacs_program_variables(size_t *count) {
  *count = state.variable_count;
  return state.variables;
}

uintptr_t parmacs_program_zeros(const struct extent *extent) {
  const struct extent *segment = parmacs_program_segment(extent->start);
  return state.zeros[segment - state.segments];
}

const struct extent *parmacs_program_segment(uintptr_t address) {
  for (size_t i = 0; i < state.segment_count; i++) {
    if (address >= state.segments[i].start && address < state.segments[i].end) return &state.segments[i];
  }
  parmacs_fail(NULL, 0, "0x%zx is in no writable segment of %s", (size_t)address, parmacs_executable());
}

void parmacs_program_carry_nothing(void) { state.variable_count = 0; }
