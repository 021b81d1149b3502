/** @file cluster.hpp Joining and leaving, what concerns all nodes, hints and pins; see merino.hpp. */
#ifndef MERINO_CLUSTER_HPP
#define MERINO_CLUSTER_HPP

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "error.hpp"

namespace merino {

/**
 * This process's membership of its job. One at a time in a process.
 *
 * The destructor leaves the job, which waits for all nodes (merino_finalize); what fails there is not told,
 * so call finalize() to know. Where an exception ends the cluster's scope it does nothing, since the other
 * nodes do not come: the launcher sees this process end without having left, and ends the others.
 */
class cluster {
 public:
  /** Joins with default settings: merino_init. Collective. */
  cluster() { detail::check(merino_init()); }
  /** Joins with settings: merino_init_with. Collective. */
  explicit cluster(const merino_options_t &options) { detail::check(merino_init_with(&options)); }

  cluster(const cluster &) = delete;
  cluster &operator=(const cluster &) = delete;

  ~cluster() {
    if (joined_ && !unwinding_) merino_finalize();
  }

  /** Leaves the job: merino_finalize. Collective. The process has left also where it throws, unless the code
   *  is MERINO_ENOTINIT, or MERINO_EBUSY: a thread holds a lock or waits, and the process is still in the
   *  job. */
  void finalize() {
    const int code = merino_finalize();
    joined_ = code == MERINO_EBUSY;
    detail::check(code);
  }

  /** This node's number, 0...nodes() - 1. */
  int node() const { return detail::check(merino_node()); }
  /** The number of nodes. */
  int nodes() const { return detail::check(merino_nodes()); }

  /** Waits for all nodes: merino_barrier. Collective. */
  void barrier() const { detail::check(merino_barrier()); }

 private:
  bool joined_ = true;
  detail::unwinding unwinding_;
};

/** Ends the whole job with an exit code, 0...255: merino_abort. */
[[noreturn]] inline void abort(int code) { merino_abort(code); }

/** This node's number: merino_node. */
inline int node() { return detail::check(merino_node()); }
/** The number of nodes: merino_nodes. */
inline int nodes() { return detail::check(merino_nodes()); }
/** The version of the library that runs: merino_version. */
inline const char *version() noexcept { return merino_version(); }
/** Waits for all nodes: merino_barrier. Collective. */
inline void barrier() { detail::check(merino_barrier()); }
/** Acquire without a lock: merino_fence_acquire. */
inline void fence_acquire() { detail::check(merino_fence_acquire()); }
/** Release without a lock: merino_fence_release. */
inline void fence_release() { detail::check(merino_fence_release()); }

/** Gives all nodes the root's value: merino_broadcast. Collective. T is copied byte by byte. */
template <class T>
T broadcast(T value, int root) {
  static_assert(std::is_trivially_copyable<T>::value, "it is copied byte by byte");
  detail::check(merino_broadcast(&value, sizeof value, root));
  return value;
}

/** Combines values of all nodes, element by element, in place: merino_allreduce_... Collective. */
inline void allreduce(std::int64_t *values, std::size_t count, merino_op_t op) {
  detail::check(merino_allreduce_i64(values, count, op));
}
inline void allreduce(std::uint64_t *values, std::size_t count, merino_op_t op) {
  detail::check(merino_allreduce_u64(values, count, op));
}
inline void allreduce(double *values, std::size_t count, merino_op_t op) {
  detail::check(merino_allreduce_f64(values, count, op));
}

/** Combines one value of each node and gives all the result. Collective. Integers are combined as 64-bit ones
 *  of their signedness, floating-point numbers as doubles; the result is converted back. */
template <class T>
T allreduce(T value, merino_op_t op) {
  static_assert(std::is_arithmetic<T>::value && sizeof(T) <= 8, "numbers of at most 8 bytes");
  using integer = typename std::conditional<std::is_signed<T>::value, std::int64_t, std::uint64_t>::type;
  using wide = typename std::conditional<std::is_floating_point<T>::value, double, integer>::type;
  wide combined = static_cast<wide>(value);
  allreduce(&combined, 1, op);
  return static_cast<T>(combined);
}

/** Fetches the pages of `count` objects that are not here: merino_prefetch. */
template <class T>
void prefetch(const T *objects, std::size_t count) {
  detail::check(merino_prefetch(objects, count * sizeof(T)));
}

/** Keeps pages accessible for system calls while it lives: merino_pin, merino_unpin. */
class pin {
 public:
  /** Pins a range; `protection` is PROT_READ or PROT_READ | PROT_WRITE of <sys/mman.h>. */
  pin(void *address, std::size_t bytes, int protection) : address_(address), bytes_(bytes) {
    detail::check(merino_pin(address, bytes, protection));
  }
  pin(pin &&other) noexcept : address_(other.address_), bytes_(other.bytes_) { other.bytes_ = 0; }
  pin(const pin &) = delete;
  pin &operator=(const pin &) = delete;
  ~pin() {
    if (bytes_ != 0) merino_unpin(address_, bytes_);
  }

 private:
  void *address_;
  std::size_t bytes_;
};

/** What this node has counted: merino_stats. */
inline merino_stats_t statistics() {
  merino_stats_t stats = MERINO_STATS_INIT;
  detail::check(merino_stats(&stats));
  return stats;
}

}  // namespace merino

#endif
