/* Merino's own calls must not be taken: its waits sleep and yield, also in the handler of a page fault, and
 * what they call would call Merino again. They are told by where they come from. */
#include <link.h>
#include <string.h>

#include "SystemV.h"

#define MOST 64

static struct {
  uintptr_t start[MOST], end[MOST];
  int count;
} ours;

static int is_name_of_ours(const char *path) {
  static const char *const names[] = {"libmerino", "libibverbs", "librdmacm", "-rdmav", "libmlx",
                                      "libefa",    "libpmix",    "libnl-"};
  const char *name = strrchr(path, '/');
  name = name != NULL ? name + 1 : path;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strstr(name, names[i]) != NULL) return 1;
  }
  return 0;
}

static int look(struct dl_phdr_info *info, size_t size, void *unused) {
  (void)size, (void)unused;
  if (!is_name_of_ours(info->dlpi_name)) return 0;
  for (int i = 0; i < info->dlpi_phnum && ours.count < MOST; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD || !(header->p_flags & PF_X)) continue;
    ours.start[ours.count] = info->dlpi_addr + header->p_vaddr;
    ours.end[ours.count] = ours.start[ours.count] + header->p_memsz;
    ours.count++;
  }
  return 0;
}

/* At load, for Merino and what it is linked with, and again after joining, which loads a device's provider.
 * Nobody asks in between: nothing is attached. */
void sysv_callers_find(void) {
  ours.count = 0;
  dl_iterate_phdr(look, NULL);
}

__attribute__((constructor)) static void at_load(void) { sysv_callers_find(); }

int sysv_is_ours(const void *caller) {
  uintptr_t address = (uintptr_t)caller;
  for (int i = 0; i < ours.count; i++) {
    if (address >= ours.start[i] && address < ours.end[i]) return 1;
  }
  return 0;
}
