#ifndef PROBE_H
#define PROBE_H

#include "CFaultProbe.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/// Ends the scenario with failure and says where.
#define CHECK(condition)                                                                    \
  do {                                                                                      \
    if (!(condition)) {                                                                     \
      fprintf(stderr, "FaultProbe: %s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      return 1;                                                                             \
    }                                                                                       \
  } while (0)

struct scenario {
  const char *name;
  void (*before)(void); /* NULL: the default action */
  int (*after)(const struct probe_views *, const struct probe_callbacks *);
};

/// Where the application's handlers return to, and what they saw.
extern sigjmp_buf escape;
extern volatile int handler_calls;
extern volatile int handler_signal, handler_code;
extern void *volatile handler_address;
extern uint64_t handler_mask;

void use_action(void *handler, int flags, int masked_signal);
uint64_t current_mask(void);

/// Loads or stores what the compiler cannot foresee.
char peek(volatile char *at);
void poke(volatile char *at, char value);

/// Runs `access`; 1 if the application's handler left it by siglongjmp.
#define ESCAPES(access) (sigsetjmp(escape, 1) == 0 ? ((access), 0) : 1)

extern const struct scenario previous_action_scenarios[];
extern const struct scenario view_scenarios[];

#endif
