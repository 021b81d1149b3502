// Atomics on shared words: every form, from all nodes at once, neighbours in one 8-byte word included.
#include "check.h"

#include <sys/mman.h>

enum { rounds = 300 };

typedef struct {
  uint64_t sum64, swaps, cas64;
  uint32_t left, right, cas32, spin;
  uint64_t data[512], flag;
} shared_t;

// Each form once, one after the other, on one word: what the header says that it returns.
#define FORMS(bits, type)                                                                                  \
  static void forms_##bits(type *word) {                                                                   \
    type old = 77, value = 0;                                                                              \
    CHECK_CODE(merino_atomic_store_u##bits(word, 5), 0, "store u" #bits);                                  \
    CHECK(merino_atomic_load_u##bits(word, &value) == 0 && value == 5, "load u" #bits);                    \
    CHECK_CODE(merino_atomic_store_u##bits##_release(word, 6), 0, "store release u" #bits);                \
    CHECK(merino_atomic_load_u##bits##_acquire(word, &value) == 0 && value == 6, "load acquire u" #bits);  \
    CHECK(merino_atomic_exchange_u##bits(word, 7, &old) == 0 && old == 6, "exchange u" #bits);             \
    CHECK(merino_atomic_exchange_u##bits##_acquire(word, 8, &old) == 0 && old == 7, "exchange acq u" #bits); \
    CHECK(merino_atomic_exchange_u##bits##_release(word, 9, &old) == 0 && old == 8, "exchange rel u" #bits); \
    CHECK(merino_atomic_exchange_u##bits##_acq_rel(word, 10, &old) == 0 && old == 9,                       \
          "exchange a_r u" #bits);                                                                         \
    CHECK(merino_atomic_exchange_u##bits(word, 11, NULL) == 0, "exchange, no old u" #bits);                \
    CHECK(merino_atomic_compare_exchange_u##bits(word, 11, 12, &old) == 0 && old == 11, "cas u" #bits);    \
    CHECK(merino_atomic_compare_exchange_u##bits(word, 11, 99, &old) == 0 && old == 12,                    \
          "cas fails u" #bits);                                                                            \
    CHECK(merino_atomic_compare_exchange_u##bits##_acquire(word, 12, 13, &old) == 0 && old == 12,          \
          "cas acq u" #bits);                                                                              \
    CHECK(merino_atomic_compare_exchange_u##bits##_release(word, 13, 14, &old) == 0 && old == 13,          \
          "cas rel u" #bits);                                                                              \
    CHECK(merino_atomic_compare_exchange_u##bits##_acq_rel(word, 14, 15, NULL) == 0, "cas a_r u" #bits);   \
    CHECK(merino_atomic_fetch_add_u##bits(word, 1, &old) == 0 && old == 15, "add u" #bits);                \
    CHECK(merino_atomic_fetch_add_u##bits##_acquire(word, 1, &old) == 0 && old == 16, "add acq u" #bits);  \
    CHECK(merino_atomic_fetch_add_u##bits##_release(word, 1, &old) == 0 && old == 17, "add rel u" #bits);  \
    CHECK(merino_atomic_fetch_add_u##bits##_acq_rel(word, (type)-19, &old) == 0 && old == 18,              \
          "add a_r u" #bits);                                                                              \
    CHECK(merino_atomic_load_u##bits(word, &value) == 0 && value == (type)-1, "wraps below 0 u" #bits);    \
    CHECK(merino_atomic_fetch_add_u##bits(word, 1, NULL) == 0, "add, no old u" #bits);                     \
    CHECK(merino_atomic_load_u##bits(word, &value) == 0 && value == 0, "wraps to 0 u" #bits);              \
    CHECK_CODE(merino_atomic_load_u##bits((type *)((char *)word + 1), &value), MERINO_EINVAL,              \
               "not aligned u" #bits);                                                                     \
    CHECK_CODE(merino_atomic_load_u##bits(NULL, &value), MERINO_EINVAL, "null u" #bits);                   \
    CHECK_CODE(merino_atomic_load_u##bits(word, NULL), MERINO_EINVAL, "nowhere to put it u" #bits);        \
    CHECK_CODE(merino_atomic_fetch_add_u##bits(&value, 1, &old), MERINO_EFAULT, "the stack u" #bits);      \
  }

FORMS(32, uint32_t)
FORMS(64, uint64_t)

int main(void) {
  int nodes = join_job();
  uint64_t *own = merino_calloc(64, 8);
  own[0] = own[1] = UINT64_MAX;
  own[2] = 0x1111111122222222u;
  forms_64(&own[4]);
  forms_32((uint32_t *)&own[0]);
  CHECK(((uint32_t *)own)[1] == UINT32_MAX, "the upper neighbour keeps its value");
  forms_32((uint32_t *)&own[1] + 1);
  NEED(merino_fence_acquire());
  CHECK(((uint32_t *)own)[2] == UINT32_MAX, "the lower neighbour keeps its value");
  CHECK(own[2] == 0x1111111122222222u, "the word behind it, too");

  shared_t *shared = merino_collective_malloc(sizeof *shared, 0);
  NEED(merino_barrier());
  // Everything at once: sums in one word, neighbours in another, an increment by compare-exchange, tokens.
  uint64_t token = (uint64_t)check_node + 1, kept = 0;
  for (int i = 0; i < rounds; i++) {
    uint64_t old;
    uint32_t old32;
    NEED(merino_atomic_fetch_add_u64(&shared->sum64, (uint64_t)i, &old));
    NEED(merino_atomic_fetch_add_u32(check_node % 2 ? &shared->right : &shared->left, 0x00FFFFFF, &old32));
    NEED(merino_atomic_exchange_u64(&shared->swaps, token, &token));
    for (uint64_t seen = 0, before; ; seen = before) {
      NEED(merino_atomic_compare_exchange_u64(&shared->cas64, seen, seen + 3, &before));
      if (before == seen) break;
    }
    for (uint32_t seen = 0, before; ; seen = before) {
      NEED(merino_atomic_compare_exchange_u32(&shared->cas32, seen, seen - 1, &before));
      if (before == seen) break;
    }
  }
  kept = token;
  NEED(merino_barrier());
  uint64_t evens = (uint64_t)(nodes + 1) / 2, odds = (uint64_t)nodes / 2;
  CHECK(shared->sum64 == (uint64_t)nodes * rounds * (rounds - 1) / 2, "fetch-add: no addition is lost");
  CHECK(shared->left == (uint32_t)(evens * rounds * 0x00FFFFFF), "neighbours: the left word");
  CHECK(shared->right == (uint32_t)(odds * rounds * 0x00FFFFFF), "neighbours: no carry into the right word");
  CHECK(shared->cas64 == (uint64_t)nodes * rounds * 3, "compare-exchange u64: every one counts");
  CHECK(shared->cas32 == (uint32_t)-(nodes * rounds), "compare-exchange u32: every one counts");
  // Tokens are only ever handed on: those that the nodes keep and the one in the word are 0 ... nodes.
  uint64_t sum = kept;
  NEED(merino_allreduce_u64(&sum, 1, MERINO_SUM));
  CHECK(sum + shared->swaps == (uint64_t)nodes * (uint64_t)(nodes + 1) / 2, "exchange: no token is lost");
  NEED(merino_barrier());

  // Message passing around the nodes by release and acquire forms.
  int wrong = 0;
  for (int round = 0; round < 20; round++) {
    uint64_t step = (uint64_t)(round * nodes + check_node), seen = 0;
    while (seen != step) NEED(merino_atomic_load_u64_acquire(&shared->flag, &seen));
    for (int i = 0; i < 512; i++) {
      wrong += shared->data[i] != step;
      shared->data[i] = step + 1;
    }
    NEED(merino_atomic_store_u64_release(&shared->flag, step + 1));
  }
  CHECK(wrong == 0, "release and acquire forms pass data on");

  // Read-only views: a load is allowed, everything else is not.
  merino_segment_t s;
  if (check_node == 0) NEED(merino_segment_create("words", 4096, NULL, &s));
  NEED(merino_barrier());
  NEED(merino_segment_open("words", &s));
  uint64_t *view, value = 1;
  NEED(merino_segment_attach(s, NULL, PROT_READ, (void **)&view));
  CHECK(merino_atomic_load_u64(view, &value) == 0 && value == 0, "load through a read-only view");
  CHECK_CODE(merino_atomic_store_u64(view, 1), MERINO_EACCES, "store through a read-only view");
  CHECK_CODE(merino_atomic_fetch_add_u32((uint32_t *)view, 1, NULL), MERINO_EACCES, "add through it");
  CHECK_CODE(merino_atomic_load_u64(view + 512, &value), MERINO_EFAULT, "load behind the view");
  NEED(merino_segment_detach(view));
  CHECK_CODE(merino_atomic_load_u64(view, &value), MERINO_EFAULT, "load from a view that is gone");
  NEED(merino_barrier());
  return leave_job();
}
