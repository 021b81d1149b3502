#include "Runtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void parmacs_say(const char *format, ...) {
  char line[3072];
  va_list arguments;
  int node = merino_node(), length = node >= 0 ? snprintf(line, 64, "parmacs, node %d: ", node)
                                               : snprintf(line, 64, "parmacs: ");
  va_start(arguments, format);
  length += vsnprintf(line + length, sizeof line - 128, format, arguments);
  va_end(arguments);
  if (length > (int)sizeof line - 2) length = sizeof line - 2;
  line[length++] = '\n';
  /* What the program has printed so far comes first. */
  fflush(NULL);
  ssize_t written = write(STDERR_FILENO, line, (size_t)length);
  (void)written;
}

void parmacs_fail(const char *file, int line, const char *format, ...) {
  char sentence[2560];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(sentence, sizeof sentence, format, arguments);
  va_end(arguments);
  if (file != NULL) parmacs_say("%s:%d: %s", file, line, sentence);
  else parmacs_say("%s", sentence);
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
