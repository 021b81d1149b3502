#define _GNU_SOURCE
#include "CBootstrap.h"

#include <link.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

// Every copy of this library in a process (libmerino.so, libmerino.a inside some other library or program)
// carries an ELF note, which says where the copy has its word. Notes are found whatever the copy's symbols
// have become: those of an archive are local, and those of a library that was loaded with RTLD_LOCAL are in
// nobody's scope.
#define NOTE_TYPE 1
#define NOTE_NAME "Merino"

// 1 from the beginning of a join until the process's end, or until the join fails.
__attribute__((visibility("hidden"), used)) _Atomic(uint32_t) cbootstrap_copy_word;

// The descriptor is the distance from itself to the word, known when the copy is linked.
__asm__(".pushsection .note.merino, \"a\", %note\n"
        ".balign 4\n"
        ".long 7\n" // bytes of the name
        ".long 8\n" // bytes of the descriptor
        ".long 1\n" // NOTE_TYPE
        ".asciz \"Merino\"\n"
        ".balign 4\n"
#if defined(__aarch64__)
        ".xword cbootstrap_copy_word - .\n"
#else
        ".quad cbootstrap_copy_word - .\n"
#endif
        ".popsection\n");

struct search {
  char *path;
  size_t size;
};

static size_t padded(size_t bytes, size_t alignment) { return (bytes + alignment - 1) & ~(alignment - 1); }

// The word of the copy that one of these notes belongs to, NULL where none does.
static _Atomic(uint32_t) *word_of(const char *notes, size_t bytes, size_t alignment) {
  while (bytes >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    memcpy(&header, notes, sizeof header);
    size_t name = sizeof header, descriptor = padded(name + header.n_namesz, alignment);
    size_t end = padded(descriptor + header.n_descsz, alignment);
    if (end > bytes) return NULL;
    int64_t distance;
    if (header.n_type == NOTE_TYPE && header.n_namesz == sizeof NOTE_NAME &&
        header.n_descsz == sizeof distance && memcmp(notes + name, NOTE_NAME, sizeof NOTE_NAME) == 0) {
      memcpy(&distance, notes + descriptor, sizeof distance);
      return (_Atomic(uint32_t) *)((uintptr_t)(notes + descriptor) + (uintptr_t)distance);
    }
    notes += end;
    bytes -= end;
  }
  return NULL;
}

static int find_other(struct dl_phdr_info *object, size_t size, void *argument) {
  (void)size;
  struct search *search = argument;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &object->dlpi_phdr[i];
    if (header->p_type != PT_NOTE) continue;
    _Atomic(uint32_t) *word = word_of((const char *)(object->dlpi_addr + header->p_vaddr), header->p_memsz,
                                      header->p_align == 8 ? 8 : 4);
    if (!word || word == &cbootstrap_copy_word || *word == 0) continue;
    snprintf(search->path, search->size, "%s", object->dlpi_name);
    return 1;
  }
  return 0;
}

int cbootstrap_claim_process(char *path, size_t size) {
  // First the claim and then the look, each of them sequentially consistent: of two copies that do it at the
  // same time at least one sees the other.
  cbootstrap_copy_word = 1;
  struct search search = {path, size};
  if (dl_iterate_phdr(find_other, &search) == 0) return 1;
  cbootstrap_copy_word = 0;
  return 0;
}

void cbootstrap_give_up_claim(void) { cbootstrap_copy_word = 0; }
