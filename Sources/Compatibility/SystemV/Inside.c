#include "SystemV.h"

/* Initial-exec: a handler reads it, and the first access of another kind may allocate. */
static _Thread_local __attribute__((tls_model("initial-exec"))) int depth;

void sysv_inside_begin(void) { depth++; }

void sysv_inside_end(void) { depth--; }

int sysv_is_inside(void) { return depth > 0; }
