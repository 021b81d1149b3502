/* A process that ends closes its files. One that leaves a job waits for the others before it ends, and they
 * may wait for the end of a file, or for a lock on one: so it closes them first, but for those that Merino
 * leaves by. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "Real.h"

enum { MOST = 65536 };

/* A bit for each descriptor that was open before joining, and for each that joining opened. */
static unsigned char before[MOST / 8], merinos[MOST / 8];

static void each_file(void (*body)(int)) {
  DIR *directory = opendir("/proc/self/fd");
  if (directory == NULL) return;
  int own = dirfd(directory);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    int file = atoi(entry->d_name);
    if (entry->d_name[0] != '.' && file != own && file < MOST) body(file);
  }
  closedir(directory);
}

static void note_before(int file) { before[file / 8] |= (unsigned char)(1 << file % 8); }

static void note_merinos(int file) {
  if (!(before[file / 8] >> file % 8 & 1)) merinos[file / 8] |= (unsigned char)(1 << file % 8);
}

void sysv_files_look(void) { each_file(note_before); }

void sysv_files_are_merinos(void) { each_file(note_merinos); }

/* What others can notice the end of: not memory, nor devices, some of which Merino opens late. */
static int is_noticed(int file) {
  struct stat status;
  char name[64], target[16];
  if (fstat(file, &status) != 0) return 0;
  if (S_ISSOCK(status.st_mode) || S_ISFIFO(status.st_mode)) return 1;
  snprintf(name, sizeof name, "/proc/self/fd/%d", file);
  ssize_t length = readlink(name, target, sizeof target);
  return S_ISREG(status.st_mode) && !(length >= 7 && memcmp(target, "/memfd:", 7) == 0);
}

/* PMI's, by which a launcher is told that the process leaves. */
static int is_launchers(int file) {
  const char *name = getenv("PMI_FD");
  return name != NULL && atoi(name) == file;
}

static void close_one(int file) {
  if (is_launchers(file)) return;
  if (file > STDERR_FILENO && !(merinos[file / 8] >> file % 8 & 1) && is_noticed(file)) real()->close(file);
}

void sysv_files_close(void) { each_file(close_one); }
