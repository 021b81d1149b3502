// What a process has of its own: signal actions, threads, mappings, descriptors. For tests that the library
// leaves no trace where it should not.
#ifndef PROCESS_H
#define PROCESS_H

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/// Entries of a directory, without . and .. and the one that looking takes.
static inline int entries(const char *path) {
  DIR *directory = opendir(path);
  int count = 0;
  struct dirent *entry;
  while (directory != NULL && (entry = readdir(directory)) != NULL) count += entry->d_name[0] != '.';
  if (directory != NULL) closedir(directory);
  return count;
}

static inline int thread_count(void) { return entries("/proc/self/task"); }
static inline int descriptor_count(void) { return entries("/proc/self/fd"); }

/// Descriptors of RDMA devices: librdmacm opens each device once, for as long as the process lives.
static inline int device_descriptor_count(void) {
  DIR *directory = opendir("/proc/self/fd");
  int count = 0;
  struct dirent *entry;
  while (directory != NULL && (entry = readdir(directory)) != NULL) {
    char path[300], target[300];
    snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) continue;
    target[length] = 0;
    count +=
        strncmp(target, "/dev/infiniband/", 16) == 0 || strcmp(target, "anon_inode:[infinibandevent]") == 0;
  }
  if (directory != NULL) closedir(directory);
  return count;
}

/// Devices with a file of their own to open.
static inline int device_count(void) { return entries("/sys/class/infiniband_verbs") - 1; }

/// Mappings whose line contains `text`.
static inline int mappings_of(const char *text) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  int count = 0;
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) count += strstr(line, text) != NULL;
  if (maps != NULL) fclose(maps);
  return count;
}

/// Signals with an action other than the default one.
static inline int handled_signals(void) {
  int count = 0;
  for (int signal = 1; signal < 65; signal++) {
    struct sigaction action;
    if (sigaction(signal, NULL, &action) != 0) continue;
    count += action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
  }
  return count;
}

#endif
