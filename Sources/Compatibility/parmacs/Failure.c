#include "Runtime.h"

#include <stdarg.h>
#include <stdio.h>

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
  if (result < 0) parmacs_fail(file, line, "%s: %s", what, merino_last_error());
}
