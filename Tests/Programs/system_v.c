// merino_shmget and its like, from a program that knows Merino. (What they do in detail is tested through the
// preloadable library, against the kernel's own: Sources/Compatibility/SystemV/Tests.)
#define _GNU_SOURCE // IPC_INFO
#include <sys/shm.h>

#include "check.h"

#define CHECK_ERRNO(call, error, name)                                              \
  do {                                                                              \
    errno = 0;                                                                      \
    int result = (int)(intptr_t)(call), got = errno;                                \
    CHECK(result == -1 && got == (error) && is_sentence(merino_last_error()), name); \
  } while (0)

int main(void) {
  CHECK_ERRNO(merino_shmget(7, 4096, IPC_CREAT | 0600), ENOSYS, "merino_shmget before joining");
  CHECK_ERRNO(merino_shmat(4096, NULL, 0), ENOSYS, "merino_shmat before joining");
  int nodes = join_job(), me = merino_node();
  CHECK_ERRNO(merino_shmget(7, 0, 0), ENOENT, "a key that nobody has made");
  CHECK_ERRNO(merino_shmget(7, SIZE_MAX, IPC_CREAT | 0600), ENOSPC, "more than there is");
  CHECK_ERRNO(merino_shmdt(&nodes), EINVAL, "what is not attached");
  CHECK_ERRNO(merino_shmctl(77, IPC_STAT, NULL), EFAULT, "no buffer");
  NEED(merino_barrier());
  int id = merino_shmget(7, 100000, IPC_CREAT | 0600);
  CHECK(id >= 0, "made or found by all");
  int *numbers = merino_shmat(id, NULL, 0);
  int64_t sums[2] = {id, (intptr_t)numbers};
  NEED(merino_allreduce_i64(sums, 2, MERINO_SUM));
  CHECK(sums[0] == (int64_t)nodes * id && sums[1] == (int64_t)nodes * (intptr_t)numbers,
        "the same identifier and address on all nodes");
  numbers[me * 1000] = me + 1;
  NEED(merino_barrier());
  int sum = 0;
  for (int i = 0; i < nodes; i++) sum += numbers[i * 1000];
  CHECK(sum == nodes * (nodes + 1) / 2, "what all wrote");
  // The other calls of Merino serve it as any segment.
  CHECK_CODE(merino_pin(numbers, 100000, 3), MERINO_SUCCESS, "pinned");
  CHECK_ERRNO(merino_shmdt(numbers), EINVAL, "detached while it is pinned");
  CHECK_CODE(merino_unpin(numbers, 100000), MERINO_SUCCESS, "unpinned");
  struct shmid_ds found;
  CHECK(merino_shmctl(id, IPC_STAT, &found) == 0 && found.shm_nattch == (shmatt_t)nodes, "counted");
  struct shminfo limits;
  struct shm_info usage;
  CHECK(merino_shmctl(0, IPC_INFO, (void *)&limits) >= 0 && limits.shmmin == 1 && limits.shmmni >= 4096,
        "IPC_INFO");
  int highest = merino_shmctl(0, SHM_INFO, (void *)&usage), seen = 0;
  CHECK(highest >= 0 && usage.used_ids == 1 && usage.shm_tot >= 100000 / 4096, "SHM_INFO");
  for (int place = 0; place <= highest; place++) seen += merino_shmctl(place, SHM_STAT, &found) == id;
  CHECK(seen == 1, "SHM_STAT finds it");
  NEED(merino_barrier());
  if (me == 0) CHECK(merino_shmctl(id, IPC_RMID, NULL) == 0, "removed");
  CHECK(merino_shmdt(numbers) == 0, "detached");
  NEED(merino_barrier());
  CHECK_ERRNO(merino_shmat(id, NULL, 0), EINVAL, "gone");
  int code = leave_job();
  CHECK_ERRNO(merino_shmget(7, 4096, IPC_CREAT | 0600), ENOSYS, "merino_shmget after leaving");
  return code != 0 || check_failures != 0;
}
