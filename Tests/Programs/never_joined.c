// Prints what a process has: signals with a handler, threads, mappings that no file is behind. Built with
// the library (-DWITH_MERINO) and without it, and never joining, it has to print the same.
#define _GNU_SOURCE
#include "process.h"

#include <stdlib.h>

#ifdef WITH_MERINO
#include <merino.h>
#endif

int main(void) {
#ifdef WITH_MERINO
  if (merino_version() == NULL) return 2;
#endif
  printf("handlers %d\nthreads %d\ndescriptors %d\n", handled_signals(), thread_count(), descriptor_count());
  // Mappings of files are the program and its libraries; what follows such a one without a gap is its data.
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  unsigned long end_of_file = 0, anonymous = 0;
  int shared = 0, deleted = 0;
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    unsigned long start, end;
    char flags[8];
    int path = 0;
    if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %n", &start, &end, flags, &path) < 3) continue;
    shared += flags[3] == 's';
    deleted += strstr(line, "(deleted)") != NULL;
    if (line[path] == '/') end_of_file = end;
    if (path > 0 && (line[path] == 0 || line[path] == '\n') && start != end_of_file && end - start > 65536)
      anonymous += end - start;
  }
  if (maps != NULL) fclose(maps);
  printf("shared mappings %d\ndeleted files %d\nlarge anonymous mappings %lu\n", shared, deleted, anonymous);
  return 0;
}
