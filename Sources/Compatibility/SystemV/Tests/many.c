// 900 segments at once, of which each process has all attached. The kernel gives 4,096 on a machine.
#include "check.h"

enum { COUNT = 900, BYTES = 4096 };

int main(int count, char **arguments) {
  (void)count;
  begin(arguments);
  int set = meeting(), table, failed = 0, wrong = 0;
  NEED(table = shmget(first_key + 1, sizeof(int[COUNT]), IPC_CREAT | 0600));
  int *ids = shmat(table, NULL, 0);
  NEED(ids);
  for (int i = me; i < COUNT; i += all) NEED(ids[i] = shmget(IPC_PRIVATE, BYTES, IPC_CREAT | 0600));
  meet(set);
  static long *segments[COUNT];
  for (int i = 0; i < COUNT; i++) {
    NEED(segments[i] = shmat(ids[i], NULL, 0));
    segments[i][me] = i + 1;
  }
  meet(set);
  for (int i = 0; i < COUNT; i++) wrong += segments[i][(me + 1) % all] != i + 1;
  CHECK(wrong == 0, "each segment has what the others wrote");
  meet(set);
  for (int i = 0; i < COUNT; i++) {
    failed += shmdt(segments[i]) != 0;
    failed += i % all == me && shmctl(ids[i], IPC_RMID, NULL) != 0;
  }
  CHECK(failed == 0, "all detached and removed");
  meet(set);
  struct shmid_ds status;
  for (int i = 0; i < COUNT; i++) wrong += shmctl(ids[i], IPC_STAT, &status) != -1 || errno != EINVAL;
  CHECK(wrong == 0, "nothing is left of them");
  meet(set);
  NEED(shmdt(ids));
  if (me == 0) NEED(shmctl(table, IPC_RMID, NULL));
  part(set);
  return end();
}
