/** @file atomic.hpp Atomics on shared words; see merino.hpp. */
#ifndef MERINO_ATOMIC_HPP
#define MERINO_ATOMIC_HPP

#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "error.hpp"

namespace merino {
namespace detail {

/** The functions of merino.h for words of 4 or 8 bytes. An order asks for a fence before, behind, or both; a
 *  load has none before and a store none behind. seq_cst is acq_rel: single words change in one order that
 *  all nodes agree upon. */
inline bool acquires(std::memory_order order) {
  return order != std::memory_order_relaxed && order != std::memory_order_release;
}
inline bool releases(std::memory_order order) {
  return order == std::memory_order_release || order == std::memory_order_acq_rel ||
         order == std::memory_order_seq_cst;
}

// One overload for each size: the suffix of the names of merino.h.
#define MERINO_ATOMIC_OPERATIONS(word, suffix) \
  inline int atomic_load(const word *at, word *value, std::memory_order order) { \
    return acquires(order) ? merino_atomic_load_##suffix##_acquire(at, value) \
                           : merino_atomic_load_##suffix(at, value); \
  } \
  inline int atomic_store(word *at, word value, std::memory_order order) { \
    return releases(order) ? merino_atomic_store_##suffix##_release(at, value) \
                           : merino_atomic_store_##suffix(at, value); \
  } \
  inline int atomic_exchange(word *at, word value, word *old, std::memory_order order) { \
    if (acquires(order) && releases(order)) \
      return merino_atomic_exchange_##suffix##_acq_rel(at, value, old); \
    if (acquires(order)) return merino_atomic_exchange_##suffix##_acquire(at, value, old); \
    if (releases(order)) return merino_atomic_exchange_##suffix##_release(at, value, old); \
    return merino_atomic_exchange_##suffix(at, value, old); \
  } \
  inline int atomic_compare_exchange(word *at, word expected, word desired, word *old, \
                                     std::memory_order order) { \
    if (acquires(order) && releases(order)) \
      return merino_atomic_compare_exchange_##suffix##_acq_rel(at, expected, desired, old); \
    if (acquires(order)) \
      return merino_atomic_compare_exchange_##suffix##_acquire(at, expected, desired, old); \
    if (releases(order)) \
      return merino_atomic_compare_exchange_##suffix##_release(at, expected, desired, old); \
    return merino_atomic_compare_exchange_##suffix(at, expected, desired, old); \
  } \
  inline int atomic_fetch_add(word *at, word addend, word *old, std::memory_order order) { \
    if (acquires(order) && releases(order)) \
      return merino_atomic_fetch_add_##suffix##_acq_rel(at, addend, old); \
    if (acquires(order)) return merino_atomic_fetch_add_##suffix##_acquire(at, addend, old); \
    if (releases(order)) return merino_atomic_fetch_add_##suffix##_release(at, addend, old); \
    return merino_atomic_fetch_add_##suffix(at, addend, old); \
  }
MERINO_ATOMIC_OPERATIONS(std::uint32_t, u32)
MERINO_ATOMIC_OPERATIONS(std::uint64_t, u64)
#undef MERINO_ATOMIC_OPERATIONS

}  // namespace detail

/**
 * Atomic access to a word in shared memory, in the manner of C++20's std::atomic_ref. T has 4 or 8 bytes, and
 * is an integer where it is added to.
 *
 * They act at the word's home: see "Atomics on shared words" in merino.h for what may lie beside the word,
 * and what an order costs. The default is sequential consistency, as in C++, so give the order where relaxed
 * will do.
 */
template <class T>
class atomic_ref {
  static_assert(std::is_trivially_copyable<T>::value && (sizeof(T) == 4 || sizeof(T) == 8),
                "words of 4 or 8 bytes");
  using word = typename std::conditional<sizeof(T) == 4, std::uint32_t, std::uint64_t>::type;

 public:
  using value_type = T;

  /** `object` is aligned to its size. */
  explicit atomic_ref(T &object) noexcept : at_(reinterpret_cast<word *>(&object)) {}

  T load(std::memory_order order = std::memory_order_seq_cst) const {
    word value = 0;
    detail::check(detail::atomic_load(at_, &value, order));
    return of(value);
  }
  void store(T value, std::memory_order order = std::memory_order_seq_cst) const {
    detail::check(detail::atomic_store(at_, raw(value), order));
  }
  T exchange(T value, std::memory_order order = std::memory_order_seq_cst) const {
    word old = 0;
    detail::check(detail::atomic_exchange(at_, raw(value), &old, order));
    return of(old);
  }
  /** True where the word was `expected` and is now `desired`; else `expected` becomes what it was. */
  bool compare_exchange_strong(T &expected, T desired,
                               std::memory_order order = std::memory_order_seq_cst) const {
    const word wanted = raw(expected);
    word old = 0;
    detail::check(detail::atomic_compare_exchange(at_, wanted, raw(desired), &old, order));
    if (old == wanted) return true;
    expected = of(old);
    return false;
  }
  /** The value before. */
  T fetch_add(T addend, std::memory_order order = std::memory_order_seq_cst) const {
    static_assert(std::is_integral<T>::value, "integers are added to");
    word old = 0;
    detail::check(detail::atomic_fetch_add(at_, raw(addend), &old, order));
    return of(old);
  }
  /** The value before. */
  T fetch_sub(T subtrahend, std::memory_order order = std::memory_order_seq_cst) const {
    static_assert(std::is_integral<T>::value, "integers are subtracted from");
    word old = 0;
    detail::check(detail::atomic_fetch_add(at_, word(0) - raw(subtrahend), &old, order));
    return of(old);
  }

 private:
  static word raw(T value) noexcept {
    word bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
  }
  static T of(word bits) noexcept {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  word *at_;
};

}  // namespace merino

#endif
