#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "Real.h"

static void say(const char *format, va_list arguments) {
  char line[2560], sentence[2400];
  /* First: asking for the node can replace merino_last_error, which may be one of the arguments. */
  vsnprintf(sentence, sizeof sentence, format, arguments);
  int node = merino_node(), length = node >= 0 ? snprintf(line, 64, "merino: node %d: ", node)
                                               : snprintf(line, 64, "merino: ");
  length += snprintf(line + length, sizeof line - 66, "%s", sentence);
  if (length > (int)sizeof line - 2) length = sizeof line - 2;
  line[length++] = '\n';
  ssize_t written = real()->write(STDERR_FILENO, line, (size_t)length);
  (void)written;
}

void sysv_say(const char *format, ...) {
  int before = errno;
  va_list arguments;
  va_start(arguments, format);
  say(format, arguments);
  va_end(arguments);
  errno = before;
}

void sysv_end(const char *what) {
  sysv_say("%s: %s", what, merino_last_error());
  merino_abort(1);
}

int sysv_failed(const char *what, int error) {
  /* A program that tries again and again shall not fill the screen. */
  static _Thread_local char last[512];
  if (strncmp(last, merino_last_error(), sizeof last - 1) != 0) {
    strncpy(last, merino_last_error(), sizeof last - 1);
    sysv_say("%s: %s", what, last);
  }
  errno = error;
  return -1;
}
