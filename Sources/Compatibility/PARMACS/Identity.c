/* The same executable and the same libraries at the same addresses on all nodes, or a sentence that names the
 * difference. */
#include "Runtime.h"

#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* FNV-1a. */
static uint64_t hash(const unsigned char *bytes, size_t count) {
  uint64_t value = 0xcbf29ce484222325;
  for (size_t i = 0; i < count; i++) value = (value ^ bytes[i]) * 0x100000001b3;
  return value;
}

static uint64_t hash_of_executable(void) {
  uint64_t result = 0;
  struct stat status;
  int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  if (file >= 0 && fstat(file, &status) == 0) {
    void *contents = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (contents != MAP_FAILED) {
      result = hash(contents, (size_t)status.st_size);
      munmap(contents, (size_t)status.st_size);
    }
  }
  if (file >= 0) close(file);
  if (result == 0) parmacs_fail(NULL, 0, "/proc/self/exe cannot be read: %m; mount /proc");
  return result;
}

static int note_object(struct dl_phdr_info *info, size_t size, void *result) {
  struct identity *identity = result;
  const char *path = identity->count == 0 ? parmacs_executable() : info->dlpi_name;
  const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
  (void)size;
  /* The kernel's, which no pointer of a program points into. */
  if (identity->count > 0 && strncmp(name, "linux-vdso", 10) == 0) return 0;
  if (identity->count == PARMACS_OBJECTS) {
    parmacs_fail(NULL, 0, "%s is loaded with more than %d libraries", parmacs_executable(),
                 PARMACS_OBJECTS - 1);
  }
  struct object *object = &identity->objects[identity->count++];
  object->base = info->dlpi_addr;
  for (size_t i = 0; i < info->dlpi_phnum; i++) {
    if (info->dlpi_phdr[i].p_type == PT_LOAD) object->bytes += info->dlpi_phdr[i].p_memsz;
  }
  snprintf(object->name, sizeof object->name, "%s", name);
  return 0;
}

void parmacs_identity_take(struct identity *identity) {
  memset(identity, 0, sizeof *identity);
  identity->contents = hash_of_executable();
  dl_iterate_phdr(note_object, identity);
}

static const char *cure(void) {
  return parmacs_restart_failure() == 0
             ? "start the nodes with the same stack limit (ulimit -s), environment and libraries"
             : "this system did not let the program switch address randomisation off: start the job under "
               "`setarch -R`, or allow personality(2) (in Docker --security-opt seccomp=unconfined), or set "
               "kernel.randomize_va_space=0";
}

void parmacs_identity_compare(const struct identity *theirs, const struct identity *mine) {
  if (theirs->contents != mine->contents) {
    parmacs_fail(NULL, 0,
                 "the executable %s is not the one that node 0 runs (%s): their contents have the "
                 "hashes %016llx here and %016llx there; give all nodes the same file",
                 parmacs_executable(), theirs->objects[0].name, (unsigned long long)mine->contents,
                 (unsigned long long)theirs->contents);
  }
  for (size_t i = 0; i < theirs->count || i < mine->count; i++) {
    const struct object *there = &theirs->objects[i], *here = &mine->objects[i];
    if (i >= mine->count || i >= theirs->count) {
      parmacs_fail(NULL, 0, "%s is loaded %s only; give all nodes the same libraries",
                   i >= mine->count ? there->name : here->name, i >= mine->count ? "at node 0" : "here");
    }
    if (strcmp(there->name, here->name) != 0 || there->bytes != here->bytes) {
      parmacs_fail(NULL, 0,
                   "library %zu is %s of %zu bytes here and %s of %zu bytes at node 0; give all nodes the "
                   "same libraries",
                   i, here->name, here->bytes, there->name, there->bytes);
    }
    if (there->base != here->base) {
      parmacs_fail(NULL, 0,
                   "%s is at address 0x%zx here and at 0x%zx at node 0, and has to be at the same one: %s",
                   here->name, (size_t)here->base, (size_t)there->base, cure());
    }
  }
}
