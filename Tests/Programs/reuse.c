// What destroyed segments leave behind: nothing. Their addresses are used again with zeros on all nodes,
// their memory goes back to the system, and the table of segments has room again.
#define _GNU_SOURCE
#include "check.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/stat.h>

/// Blocks of 512 bytes of this node's frames: what the page cache holds of the memfd.
static long frame_blocks(void) {
  DIR *directory = opendir("/proc/self/fd");
  struct dirent *entry;
  long blocks = -1;
  while (directory != NULL && (entry = readdir(directory)) != NULL) {
    char path[300], target[300];
    snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) continue;
    target[length] = 0;
    struct stat status;
    if (strstr(target, "merino-frames") != NULL && stat(path, &status) == 0) blocks = status.st_blocks;
  }
  if (directory != NULL) closedir(directory);
  return blocks;
}

static uint64_t segment_bytes(void) {
  merino_stats_t stats = MERINO_STATS_INIT;
  NEED(merino_stats(&stats));
  return stats.segment_bytes_in_use;
}

enum { pages = 1024 };

// The argument: rounds of making, using and destroying a segment (20), at least 3.
int main(int count, char **arguments) {
  int rounds = count > 1 ? atoi(arguments[1]) : 20;
  int nodes = join_job();
  NEED(merino_barrier());
  uint64_t bytes_before = segment_bytes();
  long blocks_before = frame_blocks();
  CHECK(blocks_before >= 0, "the frames' file is found");
  void *first_place = NULL;
  int stale = 0, moved = 0, grown = 0;
  NEED(merino_barrier());
  for (int round = 0; round < rounds; round++) {
    merino_segment_t s;
    if (check_node == round % nodes) {
      merino_segment_options_t options = MERINO_SEGMENT_OPTIONS_INIT;
      options.placement = round % 3;
      options.unit_bytes = round % 2 ? 16384 : 0;
      NEED(merino_segment_create("again", pages * 4096, &options, &s));
    }
    NEED(merino_barrier());
    NEED(merino_segment_open("again", &s));
    volatile unsigned char *view;
    NEED(merino_segment_attach(s, NULL, PROT_READ | PROT_WRITE, (void **)&view));
    if (first_place == NULL) first_place = (void *)view;
    moved += (void *)view != first_place;
    // Everything is zero, on every node, before anybody has written, and what nobody writes stays so.
    for (size_t i = (size_t)check_node * 8; i < pages * 4096; i += 509) stale += view[i] != 0;
    NEED(merino_barrier());
    // All pages are written by all nodes: homes, twins, cached copies and diffs everywhere.
    for (size_t i = 0; i < pages; i++) view[i * 4096 + (size_t)check_node] = (unsigned char)(round + 1);
    NEED(merino_barrier());
    for (size_t i = 0; i < pages; i++) {
      for (int n = 0; n < nodes; n++) stale += view[i * 4096 + (size_t)n] != round + 1;
    }
    grown = frame_blocks() - blocks_before >= pages / nodes * 8;
    // Written once more, by one, and never read: its diffs are placed at the last detach.
    if (check_node == (round + 1) % nodes) {
      for (size_t i = 0; i < pages; i++) view[i * 4096 + 100] = 99;
    }
    NEED(merino_segment_detach((void *)view));
    if (check_node == round % nodes) NEED(merino_segment_destroy(s));
    for (int i = 0; i < 3; i++) NEED(merino_barrier());
  }
  CHECK(stale == 0, "a new segment holds zeros, then what was written");
  CHECK(moved == 0, "addresses are used again after two barriers");
  CHECK(grown, "the frames' blocks can be seen to grow");
  CHECK(segment_bytes() == bytes_before, "bytes in use as before");
  NEED(merino_barrier());
  long left = frame_blocks() - blocks_before;
  if (left > 64) say("blocks left: %ld of 512 bytes", left);
  CHECK(left <= 64, "the memory of destroyed segments went back to the system");
  // The table has room again, too: more segments in turn than it holds.
  int failed = 0;
  if (check_node == 0) {
    merino_segment_t kept[6000];
    int made = 0;
    while (made < 6000) {
      char name[32];
      snprintf(name, sizeof name, "many-%d", made);
      int code = merino_segment_create(name, 1, NULL, &kept[made]);
      if (code == MERINO_SUCCESS) {
        made++;
        continue;
      }
      CHECK(code == MERINO_ELIMIT || code == MERINO_ENOSPC, "a full table says so");
      CHECK(strstr(merino_last_error(), "MERINO_") != NULL, "and names the setting");
      break;
    }
    CHECK(made > 100, "room for more than 100 segments");
    for (int i = 0; i < made; i++) failed += merino_segment_destroy(kept[i]) != MERINO_SUCCESS;
  }
  for (int i = 0; i < 3; i++) NEED(merino_barrier());
  if (check_node == 0) {
    CHECK(failed == 0, "all are destroyed");
    merino_segment_t s;
    CHECK_CODE(merino_segment_create("after", 1, NULL, &s), MERINO_SUCCESS, "room again after two barriers");
    NEED(merino_segment_destroy(s));
  }
  NEED(merino_barrier());
  CHECK(segment_bytes() == bytes_before, "bytes in use as before, after many");
  return leave_job();
}
