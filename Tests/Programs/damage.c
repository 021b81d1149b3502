// Words in the control memory of nodes that say what no node writes: whoever reads one says so, with the node
// and the value, and goes no further. On 2 nodes of one machine, which map each other's memory; node 0
// overwrites a word that it knows by what lies beside it, and calls what reads it. The failure stays, so each
// damage is of a job of its own. (The other kinds: Tests/CoherenceTests/PeerWordTests.swift.)
//
//   damage list          the damages, a line each
//   damage NAME NUMBER   one of them
//   damage fault         a page fault meets one: the process ends
//   damage leaves        node 0 meets one, and leaves the job
#include "check.h"

#include <signal.h>
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

/// The record of an object: its handle is the info word behind the tail and six state words. NULL where there
/// is none.
static uint64_t *record(uint64_t handle) {
  for (int m = 0; m < map_count; m++) {
    for (uint64_t *word = maps[m].start; word < maps[m].end; word++) {
      if (*word == handle && (uintptr_t)word % 64 == 56) return word - 7;
    }
  }
  return NULL;
}

/// The entry of the only segment beside the heap in the table at node 0: the name is in its second half, the
/// heap's entry comes before it, and the count of entries a cache line before that. (Names are also where
/// somebody has READ the table.)
static uint64_t *entry(const char *name) {
  for (int m = 0; m < map_count; m++) {
    for (uint64_t *word = maps[m].start; word + 8 < maps[m].end; word++) {
      if (memcmp(word, name, strlen(name) + 1) == 0 && word - 32 >= maps[m].start && word[-32] == 2)
        return word - 8;
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

// ---- Damages of the table of segments

static const struct {
  int word;
  uint64_t value;
} entries[] = {
    // The state, the first page, the pages, the unit with the placement, the bytes, the views; a name without
    // an end.
    {0, 9},  {2, 1ull << 40}, {2, 1},       {2, ~0ull}, {3, 0},     {3, ~0ull},
    {4, 40}, {4, 7 << 8},     {4, 2 << 16}, {1, ~0ull}, {5, ~0ull}, {15, ~0ull},
};

static void damage_entry(int number) {
  uint64_t *segment = entry("damaged-segment");
  char text[32];
  CHECK(segment != NULL, "the segment's entry is found");
  if (segment == NULL) return;
  CHECK((segment[-16] & 0xff) == 5 && segment[-16 + 5] == 0,
        "the heap's entry is reserved, not a segment with a view");
  segment[entries[number].word] = entries[number].value;
  snprintf(text, sizeof text, "0x%llx", (unsigned long long)entries[number].value);
  CHECK(says(merino_segment_open("damaged-segment", &(merino_segment_t){0}),
             "an entry of the table of segments", text),
        "an entry of the table of segments");
}

static void damage_count(int number) {
  uint64_t *segment = entry("damaged-segment");
  if (segment != NULL) *(segment - 24) = number == 0 ? ~0ull : 70000;
  CHECK(says(merino_segment_open("damaged-segment", &(merino_segment_t){0}), "the number of segments",
             number == 0 ? "0xff" : "0x11170"),
        "the number of segments");
}

// Counted out more often than in.
static void damage_views(int number) {
  (void)number;
  uint64_t *segment = entry("damaged-segment");
  if (segment != NULL) segment[5] = 0;
  CHECK(says(merino_segment_detach(view), "an entry of the table of segments", "0x0"),
        "more views are gone than there were");
}

// The words of an entry that is free are not looked at, whatever they say: no damage at all.
static void damage_nothing(int number) {
  (void)number;
  uint64_t *segment = entry("damaged-segment");
  CHECK(segment != NULL, "the segment's entry is found");
  if (segment == NULL) return;
  segment[0] = 0, segment[3] = ~0ull, segment[4] = ~0ull;
  CHECK(merino_segment_open("damaged-segment", &(merino_segment_t){0}) == MERINO_ENOENT,
        "a free entry that says anything");
  CHECK_CODE(merino_fence_release(), MERINO_SUCCESS, "all is well");
  merino_abort(check_failures == 0 ? 0 : 1);
}

// ---- Damages of objects. Words of a record: tail, six of state (the last two: first and last waiter),
// handle.

/// Overwrites words of the record of `handles[object]`.
static void set(int object, int word, uint64_t value) {
  uint64_t *found = record(handles[object]);
  CHECK(found != NULL, "the record is found");
  if (found != NULL) found[word] = value;
}

static void damage_tail(int number) {
  set(0, 0, number == 0 ? 9ull << 32 : number == 1 ? 1ull << 32 | 0xFFFFFF : ~0ull);
  int code = number == 0   ? merino_lock_acquire(handles[0])
             : number == 1 ? merino_lock_try_acquire(handles[0])
                           : merino_lock_acquire_within(handles[0], 1000000);
  const char *const texts[] = {"0x900000000", "0x100ffffff", "0xffffffffffffffff"};
  CHECK(says(code, "the tail of a lock", texts[number]), "a lock's tail");
}

// Its own kind, and the other one: whoever lets the next ones in counts them.
static void damage_readers(int number) {
  NEED(merino_rwlock_acquire_read(handles[1]));
  set(1, number == 0 ? 1 : 2, number == 0 ? ~0ull : 9);
  CHECK(says(merino_rwlock_release(handles[1]), "the state of an object",
             number == 0 ? "0xffffffffffffffff" : "0x9"),
        "a reader-writer lock, given back");
}

static void damage_writers(int number) {
  (void)number;
  set(5, 2, 7);
  CHECK(says(merino_rwlock_acquire_read(handles[5]), "the state of an object", "0x7"),
        "a lock with 7 writers");
}

static void damage_waiter(int number) {
  if (number == 0) set(2, 5, 3ull << 32), set(2, 6, 3ull << 32);
  else set(3, 6, 1ull << 32);
  int code = number == 0 ? merino_event_set(handles[2]) : merino_cond_broadcast(handles[3]);
  CHECK(says(code, "a waiter's name", number == 0 ? "0x300000000" : "0x100000000"),
        "the waiters of an object");
}

static void damage_arrivals(int number) {
  (void)number;
  set(4, 2, 1000);
  CHECK(says(merino_barrier_wait(handles[4]), "the state of an object", "0x3e8"),
        "more in a barrier than it is for");
}

/// A queue that goes round in a circle: the first waiter's successor is the first again.
static void *wait_for_event(void *event) {
  (void)merino_event_wait(*(uint64_t *)event);
  return NULL;
}
static void damage_queue(int number) {
  (void)number;
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

static const struct {
  const char *name;
  int count;
  void (*strike)(int number);
} damages[] = {
    {"entry", sizeof entries / sizeof *entries, damage_entry},
    {"count", 2, damage_count},
    {"views", 1, damage_views},
    {"nothing", 1, damage_nothing},
    {"tail", 3, damage_tail},
    {"readers", 2, damage_readers},
    {"writers", 1, damage_writers},
    {"waiter", 2, damage_waiter},
    {"arrivals", 1, damage_arrivals},
    {"queue", 1, damage_queue},
};

// A node that has failed leaves, and its process lives on: the other one, which waits for it, is told at
// once. (What System V's calls keep for the process must not keep the connection to the job.)
static void leave(void) {
  if (merino_shmget(0, PAGE, 0600) < 0) merino_abort(3);
  damage_tail(0);
  CHECK_CODE(merino_finalize(), MERINO_EFABRIC, "it leaves");
  sleep_ms(60000);
  exit(2);
}

int main(int count, char **arguments) {
  const char *which = count > 1 ? arguments[1] : "";
  if (strcmp(which, "list") == 0) {
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
      for (int number = 0; number < damages[i].count; number++) printf("%s %d\n", damages[i].name, number);
    }
    return 0;
  }
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
  if (check_node == 1 && strcmp(which, "leaves") == 0) {
    // The launcher's SIGKILL comes a while after its SIGTERM: time to say what the library said.
    signal(SIGTERM, SIG_IGN);
    int code = merino_barrier();
    say("SAID %d %s", code, merino_last_error());
    return merino_finalize() == MERINO_EPEER ? 0 : 2;
  }
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
  if (strcmp(which, "leaves") == 0) leave();
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    if (strcmp(which, damages[i].name) == 0) damages[i].strike(count > 2 ? atoi(arguments[2]) : 0);
  }
  // Whatever was left half done, nobody goes on with it.
  char sentence[512];
  snprintf(sentence, sizeof sentence, "%s", strchr(merino_last_error(), ':'));
  CHECK(says(merino_fence_release(), sentence, " at node "), "it stays");
  merino_lock_t lock;
  CHECK(says(merino_lock_create(&lock), sentence, " at node "), "for every call");
  merino_stats_t stats = MERINO_STATS_INIT;
  CHECK_CODE(merino_stats(&stats), MERINO_SUCCESS, "but for those that answer for this node alone");
  // The job is damaged: nobody waits for anybody.
  merino_abort(check_failures == 0 ? 0 : 1);
}
