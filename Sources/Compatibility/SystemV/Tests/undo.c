// SEM_UNDO at the end of a process: the last process sees what the others' ends have given back.
#include "check.h"

int main(int count, char **arguments) {
  (void)count;
  begin(arguments);
  int set = meeting(), others;
  NEED(others = semget(first_key + 1, 3, IPC_CREAT | 0600));
  if (me == 0) {
    union semun argument = {.val = 2 * all};
    NEED(semctl(others, 0, SETVAL, argument));
    argument.val = 5;
    NEED(semctl(others, 1, SETVAL, argument));
  }
  meet(set);
  if (me != 0) NEED(change(others, 0, -2, SEM_UNDO));
  if (me != 0) NEED(change(others, 1, 1, SEM_UNDO));
  meet(set);
  if (me == 0) {
    union semun argument = {.val = 3};
    CHECK(semctl(others, 0, GETVAL) == 2, "what the others have taken");
    // Voids what they have promised.
    NEED(semctl(others, 1, SETVAL, argument));
  }
  meet(set);
  part(set);
  // The others end, and give it back.
  if (me == 0) {
    CHECK(change(others, 0, -2 * all, 0) == 0, "SEM_UNDO gives back at the end of a process");
    CHECK(semctl(others, 1, GETVAL) == 3, "but not what SETVAL has voided");
    NEED(semctl(others, 0, IPC_RMID));
  }
  return end();
}
