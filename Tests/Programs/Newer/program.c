// A program that calls a function of tomorrow.
#include <stdio.h>

const char *merino_version(void);
int merino_tomorrow(void);

int main(int count, char **arguments) {
  (void)arguments;
  printf("RUNS with %s\n", merino_version());
  // Not called as a rule: the loader is to say so, and not the first call.
  return count > 10 ? merino_tomorrow() : 0;
}
