#include "Runtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void parmacs_fail(const char *file, int line, const char *format, ...) {
  char sentence[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(sentence, sizeof sentence, format, arguments);
  va_end(arguments);
  /* What the program has printed so far comes first. */
  fflush(NULL);
  if (merino_node() >= 0) fprintf(stderr, "parmacs, node %d: ", merino_node());
  else fprintf(stderr, "parmacs: ");
  if (file != NULL) fprintf(stderr, "%s:%d: ", file, line);
  fprintf(stderr, "%s\n", sentence);
  merino_abort(1);
}

void parmacs_expect(int result, const char *what, const char *file, int line) {
  /* Somebody died, or the main program has ended: who says so is the main program, or the launcher. */
  if (result == MERINO_EPEER && merino_parmacs_process() != 0) {
    fflush(NULL);
    _exit(1);
  }
  if (result < 0) parmacs_fail(file, line, "%s: %s", what, merino_last_error());
}
