// Words in the control memory of nodes that say what no node writes: whoever reads one says so, with the node and the
// value, and goes no further. On 2 nodes of one machine, which map each other's memory; node 0 overwrites a word that it
// knows by what lies beside it, and calls what reads it. (The other kinds: Tests/CoherenceTests/PeerWordTests.swift.)
#include "check.h"

#include <sys/mman.h>

#define PAGE 4096
enum { object_count = 5, pages = 256 };

static uint64_t *handles;
static char *view;

// ---- The control memories that this process maps: its own and the other node's

static struct {
  uint64_t *start, *end;
} maps[8];
static int map_count;

static void find_maps(void) {
  FILE *file = fopen("/proc/self/maps", "r");
  char line[512];
  while (file != NULL && map_count < 8 && fgets(line, sizeof line, file) != NULL) {
    unsigned long start, end;
    if (strstr(line, "merino-control") == NULL || sscanf(line, "%lx-%lx", &start, &end) != 2) continue;
    maps[map_count].start = (uint64_t *)start;
    maps[map_count++].end = (uint64_t *)end;
  }
  if (file != NULL) fclose(file);
}

/// The record of an object: its handle is the info word behind the tail and six state words. NULL where there is none.
static uint64_t *record(uint64_t handle) {
  for (int m = 0; m < map_count; m++) {
    for (uint64_t *word = maps[m].start; word < maps[m].end; word++) {
      if (*word == handle && (uintptr_t)word % 64 == 56) return word - 7;
    }
  }
  return NULL;
}

/// The entry of the only segment beside the heap in the table at node 0: the name is in its second half, the heap's entry
/// comes before it, and the count of entries a cache line before that. (Names are also where somebody has READ the table.)
static uint64_t *entry(const char *name) {
  for (int m = 0; m < map_count; m++) {
    for (uint64_t *word = maps[m].start; word + 8 < maps[m].end; word++) {
      if (memcmp(word, name, strlen(name) + 1) == 0 && word - 32 >= maps[m].start && word[-32] == 2) return word - 8;
    }
  }
  return NULL;
}

/// Overwrites what leads to the homes of pages: 64 words of a block, all the same. How many.
static int damage_directory(uint64_t home, uint64_t value) {
  int count = 0;
  for (int m = 0; m < map_count; m++) {
    int run = 0;
    for (uint64_t *word = maps[m].start; word < maps[m].end; word++) {
      run = *word == home ? run + 1 : 0;
      if (run < 64) continue;
      for (int i = 0; i < 64; i++) word[-i] = value;
      count += 64;
      run = 0;
    }
  }
  return count;
}

static int says(int code, const char *what, const char *value) {
  const char *sentence = merino_last_error();
  int is_right = code == MERINO_EFABRIC && is_sentence(sentence) && strstr(sentence, what) != NULL &&
                 strstr(sentence, value) != NULL && strstr(sentence, " at node ") != NULL;
  if (!is_right) say("gave %d: %s", code, sentence);
  return is_right;
}

static void damage_segments(void) {
  merino_segment_t found;
  uint64_t *segment = entry("damaged-segment");
  CHECK(segment != NULL, "the segment's entry is found");
  if (segment == NULL) return;
  // The first word, the first page, the pages, the unit with the placement, the bytes; the name without an end.
  const struct {
    int word;
    uint64_t value;
    const char *text;
  } damages[] = {{0, 9, "0x9"}, {2, 1ull << 40, "0x10000000000"}, {2, 1, "0x1"}, {2, ~0ull, "0xffffffffffffffff"}, {3, 0, "0x0"},
                 {3, ~0ull, "0xffffffffffffffff"}, {4, 40, "0x28"}, {4, 7 << 8, "0x700"}, {4, 2 << 16, "0x20000"},
                 {1, ~0ull, "0xffffffffffffffff"}, {5, ~0ull, "0xffffffffffffffff"}, {15, ~0ull, "0xffffffffffffffff"}};
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    uint64_t before = segment[damages[i].word];
    segment[damages[i].word] = damages[i].value;
    CHECK(says(merino_segment_open("damaged-segment", &found), "an entry of the table of segments", damages[i].text),
          "an entry of the table of segments");
    segment[damages[i].word] = before;
  }
  uint64_t *count = segment - 24;
  for (uint64_t value = ~0ull; value > 100000; value /= 65536) {
    uint64_t before = *count;
    *count = value;
    CHECK(says(merino_segment_open("damaged-segment", &found), "the number of segments", "0x"), "the number of segments");
    *count = before;
  }
  // The words of an entry that is free are not looked at, whatever they say; and nothing counts below zero.
  uint64_t state = segment[0], pages = segment[3], views = segment[5];
  segment[0] = 0, segment[3] = ~0ull, segment[4] |= ~0ull << 16;
  CHECK(merino_segment_open("damaged-segment", &found) == MERINO_ENOENT, "a free entry that says anything");
  segment[0] = state, segment[3] = pages, segment[4] &= 0xFFFF;
  void *view;
  NEED(merino_segment_open("damaged-segment", &found));
  NEED(merino_segment_attach(found, (void *)0x300000000000, PROT_READ, &view));
  segment[5] = 0;
  CHECK(says(merino_segment_detach(view), "an entry of the table of segments", "0x0"), "more views are gone than there were");
  segment[5] = views + 1;
  CHECK_CODE(merino_segment_detach(view), MERINO_SUCCESS, "detach: repaired");
  // Repaired, all is as before.
  CHECK_CODE(merino_segment_open("damaged-segment", &found), MERINO_SUCCESS, "repaired");
}

static void damage_objects(void) {
  uint64_t *lock = record(handles[0]), *rwlock = record(handles[1]), *event = record(handles[2]),
           *condition = record(handles[3]), *barrier = record(handles[4]);
  CHECK(lock && rwlock && event && condition && barrier, "the records are found");
  // Words of a record: tail, six of state (the last two: first and last waiter), handle.
  lock[0] = 9ull << 32;
  CHECK(says(merino_lock_acquire(handles[0]), "the tail of a lock", "0x900000000"), "a lock's tail: no such node");
  lock[0] = 1ull << 32 | 0xFFFFFF;
  CHECK(says(merino_lock_try_acquire(handles[0]), "the tail of a lock", "0x100ffffff"), "a lock's tail: no such slot");
  lock[0] = ~0ull;
  CHECK(says(merino_lock_acquire_within(handles[0], 1000000), "the tail of a lock", "0xffffffffffffffff"), "a lock's tail");
  lock[0] = 0;
  CHECK_CODE(merino_lock_acquire(handles[0]), MERINO_SUCCESS, "repaired");
  CHECK_CODE(merino_lock_release(handles[0]), MERINO_SUCCESS, "repaired");
  NEED(merino_rwlock_acquire_read(handles[1]));
  // Of the other kind, too: whoever lets the next ones in counts them.
  rwlock[2] = 9;
  CHECK(says(merino_rwlock_release(handles[1]), "the state of an object", "0x9"), "a reader's lock with 9 writers");
  rwlock[2] = 0;
  rwlock[1] = ~0ull;
  CHECK(says(merino_rwlock_acquire_read(handles[5]), "the state of an object", "0x7"), "a lock with 7 writers");
  CHECK(says(merino_rwlock_release(handles[1]), "the state of an object", "0xffffffffffffffff"), "a lock with 2^64 - 1 readers");
  event[5] = event[6] = 3ull << 32;
  CHECK(says(merino_event_set(handles[2]), "a waiter's name", "0x300000000"), "an event's first waiter");
  event[5] = event[6] = 0;
  CHECK_CODE(merino_event_set(handles[2]), MERINO_SUCCESS, "repaired");
  condition[6] = 1ull << 32;
  CHECK(says(merino_cond_broadcast(handles[3]), "a waiter's name", "0x100000000"), "a last waiter without a first");
  barrier[2] = 1000;
  CHECK(says(merino_barrier_wait(handles[4]), "the state of an object", "0x3e8"), "more in a barrier than it is for");
}

/// A queue that goes round in a circle: the first waiter's successor is the first again.
static void *wait_for_event(void *event) {
  (void)merino_event_wait(*(uint64_t *)event);
  return NULL;
}
static void damage_queue(void) {
  uint64_t *event = record(handles[6]);
  CHECK(event != NULL, "the record is found");
  if (event == NULL) return;
  start(wait_for_event, &handles[6]);
  volatile uint64_t *first = &event[5];
  for (int i = 0; i < 5000 && *first == 0; i++) sleep_ms(1);
  sleep_ms(100);
  // Only this waiter's slot has its mode, 0, and no successor; so its successor is made known in every slot.
  start(wait_for_event, &handles[6]);
  for (int i = 0; i < 5000 && event[6] == *first; i++) sleep_ms(1);
  sleep_ms(100);
  uint64_t second = event[6], name = *first;
  int count = 0;
  for (int m = 0; m < map_count; m++) {
    for (uint64_t *word = maps[m].start; word < maps[m].end; word++) {
      if (*word == second && word != &event[6] && (uintptr_t)word % 64 == 0) *word = name, count++;
    }
  }
  CHECK(count > 0 && name != second, "the successor is found");
  CHECK(says(merino_event_set(handles[6]), "a waiter's name", "0x"), "a queue that goes round in a circle");
}

int main(int count, char **arguments) {
  const char *which = count > 1 ? arguments[1] : "";
  if (join_job() != 2) return 2;
  merino_segment_t segment;
  handles = merino_collective_malloc(8 * sizeof *handles, 0);
  if (handles == NULL) merino_abort(3);
  if (check_node == 0) NEED(merino_segment_create("damaged-segment", pages * PAGE, NULL, &segment));
  if (check_node == 1) {
    NEED(merino_lock_create(&handles[0]));
    NEED(merino_rwlock_create(&handles[1]));
    NEED(merino_event_create(&handles[2]));
    NEED(merino_cond_create(&handles[3]));
    NEED(merino_barrier_create(2, &handles[4]));
    NEED(merino_rwlock_create(&handles[5]));
    NEED(merino_event_create(&handles[6]));
  }
  NEED(merino_barrier());
  NEED(merino_segment_open("damaged-segment", &segment));
  NEED(merino_segment_attach(segment, NULL, PROT_READ | PROT_WRITE, (void **)&view));
  if (check_node == 1) memset(view, 1, pages * PAGE);
  NEED(merino_barrier());
  if (check_node == 1) {
    sleep_ms(60000);
    return 2;
  }
  find_maps();
  CHECK(map_count >= 2, "the control memories are found");
  if (strcmp(which, "fault") == 0) {
    CHECK(damage_directory(2, 0x7777) >= pages, "the homes of the pages are found");
    return *(volatile char *)(view + 5 * PAGE);  // ends the process
  }
  if (strcmp(which, "segments") == 0) damage_segments();
  if (strcmp(which, "objects") == 0) {
    uint64_t *writers = record(handles[5]);
    if (writers != NULL) writers[2] = 7;
    damage_objects();
  }
  if (strcmp(which, "queue") == 0) damage_queue();
  // The job is damaged: nobody waits for anybody.
  merino_abort(check_failures == 0 ? 0 : 1);
}
