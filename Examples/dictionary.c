/*
 * dictionary: a hash table of linked lists, built by one node and changed by all under locks.
 *
 *   merino run -n 4 -- out/examples/dictionary [KEYS [CHANGES]]
 *
 * Entries point at entries, and buckets hold the handles of their locks: pointers and handles mean the same on
 * every node. Node 0 builds the table; then every node counts keys up, adds entries and removes some that
 * others may have made. At the end node 0 walks the lists and compares with what the nodes say they did.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <merino.h>

struct entry {
  uint64_t key;
  uint64_t count;
  struct entry *next; /* in ascending order of the keys */
};

struct bucket {
  merino_lock_t lock;
  struct entry *first;
};

enum { BUCKETS = 61 };

/* What a node did, for the comparison at the end. */
struct tally {
  uint64_t counted, added, removed, removed_counts;
};

static void must(int result, const char *what) {
  if (result == MERINO_SUCCESS) return;
  fprintf(stderr, "%s: %s\n", what, merino_last_error());
  merino_abort(2);
}

static uint64_t random_number(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* Where the entry of `key` hangs, or would hang. */
static struct entry **place_of(struct bucket *bucket, uint64_t key) {
  struct entry **place = &bucket->first;
  while (*place != NULL && (*place)->key < key) place = &(*place)->next;
  return place;
}

/* Counts the key up by one, adding its entry where there is none. The caller holds the bucket's lock. */
static int count_up(struct bucket *bucket, uint64_t key) {
  struct entry **place = place_of(bucket, key);
  int is_new = *place == NULL || (*place)->key != key;
  if (is_new) {
    struct entry *entry = merino_calloc(1, sizeof *entry);
    if (entry == NULL) must(MERINO_ENOMEM, "allocate an entry");
    entry->key = key;
    entry->next = *place;
    *place = entry;
  }
  (*place)->count++;
  return is_new;
}

static void change(struct bucket *table, uint64_t keys, uint64_t *random, struct tally *tally) {
  uint64_t key = random_number(random) % (2 * keys), what = random_number(random) % 8;
  struct bucket *bucket = &table[key % BUCKETS];
  must(merino_lock_acquire(bucket->lock), "lock");
  if (what == 0) {
    struct entry **place = place_of(bucket, key), *entry = *place;
    if (entry != NULL && entry->key == key) {
      *place = entry->next;
      tally->removed++;
      tally->removed_counts += entry->count;
      merino_free(entry); /* whoever made it */
    }
  } else {
    tally->added += (uint64_t)count_up(bucket, key);
    tally->counted++;
  }
  must(merino_lock_release(bucket->lock), "unlock");
}

/* Entries that are there, their counts, and whether every list is in order. */
static int walk(struct bucket *table, uint64_t *entries, uint64_t *counts) {
  int in_order = 1;
  for (int i = 0; i < BUCKETS; i++) {
    for (struct entry *entry = table[i].first; entry != NULL; entry = entry->next) {
      in_order &= entry->key % BUCKETS == (uint64_t)i;
      in_order &= entry->next == NULL || entry->key < entry->next->key;
      *entries += 1;
      *counts += entry->count;
    }
  }
  return in_order;
}

static struct bucket *build(uint64_t keys, struct tally *tally) {
  struct bucket *table = merino_calloc(BUCKETS, sizeof *table);
  if (table == NULL) must(MERINO_ENOMEM, "allocate the table");
  for (int i = 0; i < BUCKETS; i++) must(merino_lock_create(&table[i].lock), "make a lock");
  for (uint64_t key = 0; key < keys; key++) {
    tally->added += (uint64_t)count_up(&table[key % BUCKETS], key);
    tally->counted++;
  }
  return table;
}

static void take_down(struct bucket *table) {
  for (int i = 0; i < BUCKETS; i++) {
    for (struct entry *entry = table[i].first, *next; entry != NULL; entry = next) {
      next = entry->next;
      merino_free(entry);
    }
    must(merino_lock_destroy(table[i].lock), "remove a lock");
  }
  merino_free(table);
}

int main(int argc, char **argv) {
  long keys = argc > 1 ? atol(argv[1]) : 500, changes = argc > 2 ? atol(argv[2]) : 2000;
  if (keys < 1 || changes < 0) {
    fprintf(stderr, "usage: dictionary [KEYS [CHANGES]]\n");
    return 2;
  }
  must(merino_init(), "join");
  int me = merino_node();
  struct tally tally = { 0, 0, 0, 0 };

  struct bucket *table = me == 0 ? build((uint64_t)keys, &tally) : NULL;
  must(merino_broadcast(&table, sizeof table, 0), "tell where the table is");
  uint64_t random = 88172645463325252u + 977u * (uint64_t)me;
  for (long i = 0; i < changes; i++) change(table, (uint64_t)keys, &random, &tally);

  uint64_t sums[4] = { tally.counted, tally.added, tally.removed, tally.removed_counts };
  must(merino_allreduce_u64(sums, 4, MERINO_SUM), "sum what was done"); /* a barrier, too */
  uint64_t wrong = 0;
  if (me == 0) {
    uint64_t entries = 0, counts = 0;
    wrong = !walk(table, &entries, &counts) || entries != sums[1] - sums[2] || counts != sums[0] - sums[3];
    printf("%s dictionary: %d nodes, %" PRIu64 " counted, %" PRIu64 " added, %" PRIu64 " removed, %" PRIu64
           " entries left\n", wrong ? "FAIL" : "PASS", merino_nodes(), sums[0], sums[1], sums[2], entries);
    take_down(table);
  }
  must(merino_broadcast(&wrong, sizeof wrong, 0), "tell the result");
  must(merino_finalize(), "leave");
  return wrong ? 1 : 0;
}
