/* Each CHECK is one test: its line is counted by the stage. */
#ifndef PARMACS_CHECK_H
#define PARMACS_CHECK_H
#include <stdio.h>

#define CHECK(condition) \
  printf("%s %s:%d: %s\n", (condition) ? "PASS" : "FAIL", __FILE__, __LINE__, #condition)

#endif
