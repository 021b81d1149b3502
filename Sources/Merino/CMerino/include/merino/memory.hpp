/** @file memory.hpp The heap: an allocator for containers, single objects, arrays of all nodes; see
 *   merino.hpp. */
#ifndef MERINO_MEMORY_HPP
#define MERINO_MEMORY_HPP

#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "error.hpp"

namespace merino {

/**
 * An allocator of shared memory, for standard containers: std::vector<int, merino::allocator<int>>.
 * Stateless: any node may free what another has allocated. Throws bad_alloc.
 *
 * A container that other nodes shall see lies in shared memory itself (merino::create). It is no safer to use
 * at once from several nodes than from several threads.
 */
template <class T>
class allocator {
 public:
  using value_type = T;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using is_always_equal = std::true_type;
  using propagate_on_container_move_assignment = std::true_type;

  allocator() noexcept = default;
  template <class U>
  allocator(const allocator<U> &) noexcept {}

  /** Room for `count` objects, aligned for them. */
  T *allocate(std::size_t count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
    void *block = alignof(T) > alignof(std::max_align_t) ? merino_aligned_alloc(alignof(T), count * sizeof(T))
                                                         : merino_malloc(count * sizeof(T));
    if (block == nullptr) throw bad_alloc();
    return static_cast<T *>(block);
  }

  /** Gives it back. */
  void deallocate(T *block, std::size_t) noexcept { merino_free(block); }
};

/** Always: there is one heap. */
template <class T, class U>
bool operator==(const allocator<T> &, const allocator<U> &) noexcept {
  return true;
}
/** Never. */
template <class T, class U>
bool operator!=(const allocator<T> &, const allocator<U> &) noexcept {
  return false;
}

/** Makes one object in shared memory, on this node; pass its address on as any other shared value. Throws
 *  bad_alloc, and what the constructor throws. */
template <class T, class... Arguments>
T *create(Arguments &&...arguments) {
  allocator<T> memory;
  T *place = memory.allocate(1);
  try {
    return ::new (static_cast<void *>(place)) T(std::forward<Arguments>(arguments)...);
  } catch (...) {
    memory.deallocate(place, 1);
    throw;
  }
}

/** Ends an object of create(), from any node. nullptr: nothing happens. */
template <class T>
void destroy(T *object) noexcept {
  if (object == nullptr) return;
  object->~T();
  merino_free(object);
}

/** For std::unique_ptr. */
struct deleter {
  template <class T>
  void operator()(T *object) const noexcept {
    destroy(object);
  }
};

/** Owns an object of create() in this process. */
template <class T>
using unique_ptr = std::unique_ptr<T, deleter>;

/**
 * `count` elements at the same address on all nodes, zero at first: merino_collective_malloc. Collective: all
 * nodes make it and end it in the same order.
 *
 * The destructor frees it, which waits for all nodes; where an exception ends its scope it does nothing.
 */
template <class T>
class array {
 public:
  static_assert(std::is_trivially_copyable<T>::value, "its elements begin as zeros and are not destroyed");
  using value_type = T;
  using iterator = T *;
  using const_iterator = const T *;

  /** At least one element. `alignment`: a power of two, at most 2 MiB; 0: the page size. Throws bad_alloc. */
  explicit array(std::size_t count, std::size_t alignment = 0) : count_(count) {
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) throw std::bad_array_new_length();
    elements_ = static_cast<T *>(merino_collective_malloc(count * sizeof(T), alignment));
    if (elements_ == nullptr) throw bad_alloc();
  }
  array(array &&other) noexcept : elements_(other.elements_), count_(other.count_) {
    other.elements_ = nullptr;
    other.count_ = 0;
  }
  array(const array &) = delete;
  array &operator=(const array &) = delete;
  array &operator=(array &&) = delete;
  ~array() {
    if (elements_ != nullptr && !unwinding_) merino_collective_free(elements_);
  }

  /** Frees it, and says what fails: merino_collective_free. Collective. */
  void free() {
    T *elements = elements_;
    elements_ = nullptr;
    count_ = 0;
    detail::check(merino_collective_free(elements));
  }

  T *data() noexcept { return elements_; }
  const T *data() const noexcept { return elements_; }
  std::size_t size() const noexcept { return count_; }
  T &operator[](std::size_t index) noexcept { return elements_[index]; }
  const T &operator[](std::size_t index) const noexcept { return elements_[index]; }
  iterator begin() noexcept { return elements_; }
  iterator end() noexcept { return elements_ + count_; }
  const_iterator begin() const noexcept { return elements_; }
  const_iterator end() const noexcept { return elements_ + count_; }

 private:
  T *elements_ = nullptr;
  std::size_t count_;
  detail::unwinding unwinding_;
};

}  // namespace merino

#endif
