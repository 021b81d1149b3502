// A library that uses Merino by a copy of its own: linked with libmerino.a, and exporting nothing of it.
#include "solver.h"

#include <merino.h>

int solver_join(void) { return merino_init(); }
int solver_leave(void) { return merino_finalize(); }
const char *solver_last_error(void) { return merino_last_error(); }
