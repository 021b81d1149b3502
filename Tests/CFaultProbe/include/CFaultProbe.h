// An application as the fault handler meets it: its own SIGSEGV handlers, its own faults, its own threads.
#ifndef CFAULTPROBE_H
#define CFAULTPROBE_H

#include <stddef.h>

/// What the scenario's process shares: views of `bytes` bytes of one range of frames.
struct probe_views {
  char *writable;
  char *alias;    /* the same frames at another address */
  char *readonly; /* the same frames, limit: read */
  char *frames;   /* the system view of the same bytes */
  size_t bytes;
};

/// What the scenario asks of the side that has joined; implemented in Swift.
struct probe_callbacks {
  int (*forward)(int signal, void *info, void *context);
  int (*uninstall)(void);
  int (*install)(void);
  int (*is_forked_child)(void);
  long (*faults_served)(void);
};

/// The application's part before joining. 0, or -1 for a scenario that does not exist.
int probe_before(const char *scenario);

/// The application's part after joining: the exit code of the process.
int probe_after(const char *scenario, const struct probe_views *views, const struct probe_callbacks *joined);

#endif
