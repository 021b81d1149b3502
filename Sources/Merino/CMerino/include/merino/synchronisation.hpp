/**
 * @file synchronisation.hpp Locks, events, conditions, barriers of threads; see merino.hpp.
 *
 * They are values of 8 bytes that mean the same on every node and may be stored in shared memory; copies name
 * the same object. A default one names nothing. make() makes an object on this node, destroy() ends it for
 * all.
 */
#ifndef MERINO_SYNCHRONISATION_HPP
#define MERINO_SYNCHRONISATION_HPP

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>

#include "error.hpp"

namespace merino {
namespace detail {

/** A time limit as merino.h takes it: none is longer than 584 years, and a time that has passed is 0. */
template <class Rep, class Period>
std::uint64_t nanoseconds(const std::chrono::duration<Rep, Period> &limit) {
  using std::chrono::duration;
  if (limit <= limit.zero()) return 0;
  if (duration<double>(limit) > duration<double>(std::chrono::nanoseconds::max())) return UINT64_MAX;
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(limit).count());
}

/** What is left until a point in time. */
template <class Clock, class Duration>
std::uint64_t nanoseconds_until(const std::chrono::time_point<Clock, Duration> &due) {
  return nanoseconds(due - Clock::now());
}

/** False for the result that says "not now", or an exception. */
inline bool succeeded(int result, int not_now) {
  if (result == not_now) return false;
  check(result);
  return true;
}

}  // namespace detail

/** A lock between threads of all nodes (merino_lock_...), for std::lock_guard, std::unique_lock and
 *  std::scoped_lock. Not recursive: lock() by its holder throws MERINO_EDEADLK. */
class mutex {
 public:
  mutex() noexcept = default;
  explicit mutex(merino_lock_t handle) noexcept : handle_(handle) {}
  static mutex make() {
    mutex made;
    detail::check(merino_lock_create(&made.handle_));
    return made;
  }
  /** Makes the lock of this name or finds it: merino_lock_create_named. */
  static mutex named(const std::string &name) {
    mutex made;
    detail::check(merino_lock_create_named(name.c_str(), &made.handle_));
    return made;
  }
  void destroy() const { detail::check(merino_lock_destroy(handle_)); }

  void lock() const { detail::check(merino_lock_acquire(handle_)); }
  /** Does not throw where a node died, as std::lock_guard needs it: the next call does. */
  void unlock() const { detail::check_given_back(merino_lock_release(handle_)); }
  bool try_lock() const { return detail::succeeded(merino_lock_try_acquire(handle_), MERINO_EBUSY); }
  template <class Rep, class Period>
  bool try_lock_for(const std::chrono::duration<Rep, Period> &limit) const {
    return within(detail::nanoseconds(limit));
  }
  template <class Clock, class Duration>
  bool try_lock_until(const std::chrono::time_point<Clock, Duration> &due) const {
    return within(detail::nanoseconds_until(due));
  }
  merino_lock_t handle() const noexcept { return handle_; }

 private:
  bool within(std::uint64_t limit) const {
    return detail::succeeded(merino_lock_acquire_within(handle_, limit), MERINO_ETIMEDOUT);
  }
  merino_lock_t handle_ = 0;
};

/** Holds a lock while it lives. Where giving it back fails (a node died), the destructor does not tell; the
 *  next call does. */
class scoped_lock {
 public:
  explicit scoped_lock(const mutex &held) : held_(held) { held_.lock(); }
  scoped_lock(const scoped_lock &) = delete;
  scoped_lock &operator=(const scoped_lock &) = delete;
  ~scoped_lock() { merino_lock_release(held_.handle()); }

 private:
  mutex held_;
};

/** A lock that one writer or any number of readers holds (merino_rwlock_...), for std::lock_guard,
 *  std::unique_lock and std::shared_lock, without their tries. */
class shared_mutex {
 public:
  shared_mutex() noexcept = default;
  explicit shared_mutex(merino_rwlock_t handle) noexcept : handle_(handle) {}
  static shared_mutex make() {
    shared_mutex made;
    detail::check(merino_rwlock_create(&made.handle_));
    return made;
  }
  void destroy() const { detail::check(merino_rwlock_destroy(handle_)); }
  void lock() const { detail::check(merino_rwlock_acquire_write(handle_)); }
  void unlock() const { detail::check_given_back(merino_rwlock_release(handle_)); }
  void lock_shared() const { detail::check(merino_rwlock_acquire_read(handle_)); }
  void unlock_shared() const { detail::check_given_back(merino_rwlock_release(handle_)); }
  merino_rwlock_t handle() const noexcept { return handle_; }

 private:
  merino_rwlock_t handle_ = 0;
};

/** A flag that threads of all nodes wait for: merino_event_... */
class event {
 public:
  event() noexcept = default;
  explicit event(merino_event_t handle) noexcept : handle_(handle) {}
  static event make() {
    event made;
    detail::check(merino_event_create(&made.handle_));
    return made;
  }
  void destroy() const { detail::check(merino_event_destroy(handle_)); }
  void set() const { detail::check(merino_event_set(handle_)); }
  void clear() const { detail::check(merino_event_clear(handle_)); }
  void wait() const { detail::check(merino_event_wait(handle_)); }
  merino_event_t handle() const noexcept { return handle_; }

 private:
  merino_event_t handle_ = 0;
};

/** A condition variable: merino_cond_... Waits with a merino::mutex that a std::unique_lock holds, all with
 * the same. */
class condition_variable {
 public:
  using held_lock = std::unique_lock<mutex>;

  condition_variable() noexcept = default;
  explicit condition_variable(merino_cond_t handle) noexcept : handle_(handle) {}
  static condition_variable make() {
    condition_variable made;
    detail::check(merino_cond_create(&made.handle_));
    return made;
  }
  void destroy() const { detail::check(merino_cond_destroy(handle_)); }

  void notify_one() const { detail::check(merino_cond_signal(handle_)); }
  void notify_all() const { detail::check(merino_cond_broadcast(handle_)); }

  /** May return without a notification. The lock is held also where it throws, unless a node died. */
  void wait(held_lock &held) const { detail::check(merino_cond_wait(handle_, held.mutex()->handle())); }
  template <class Predicate>
  void wait(held_lock &held, Predicate holds) const {
    while (!holds()) wait(held);
  }
  template <class Rep, class Period>
  std::cv_status wait_for(held_lock &held, const std::chrono::duration<Rep, Period> &limit) const {
    int result = merino_cond_wait_within(handle_, held.mutex()->handle(), detail::nanoseconds(limit));
    return detail::succeeded(result, MERINO_ETIMEDOUT) ? std::cv_status::no_timeout : std::cv_status::timeout;
  }
  /** Whether it holds in the end. */
  template <class Rep, class Period, class Predicate>
  bool wait_for(held_lock &held, const std::chrono::duration<Rep, Period> &limit, Predicate holds) const {
    // A limit too long for the clock is none.
    using clock = std::chrono::steady_clock;
    const clock::time_point now = clock::now();
    const bool is_limited = std::chrono::duration<double>(limit) <
                            std::chrono::duration<double>(clock::time_point::max() - now);
    const clock::time_point due =
        is_limited ? now + std::chrono::duration_cast<clock::duration>(limit) : clock::time_point::max();
    while (!holds()) {
      if (wait_for(held, due - clock::now()) == std::cv_status::timeout) return holds();
    }
    return true;
  }
  merino_cond_t handle() const noexcept { return handle_; }

 private:
  merino_cond_t handle_ = 0;
};

/** A barrier of a fixed number of threads of any nodes: merino_barrier_... (All nodes: merino::barrier().) */
class thread_barrier {
 public:
  thread_barrier() noexcept = default;
  explicit thread_barrier(merino_barrier_t handle) noexcept : handle_(handle) {}
  static thread_barrier make(std::uint32_t participants) {
    thread_barrier made;
    detail::check(merino_barrier_create(participants, &made.handle_));
    return made;
  }
  void destroy() const { detail::check(merino_barrier_destroy(handle_)); }
  void wait() const { detail::check(merino_barrier_wait(handle_)); }
  merino_barrier_t handle() const noexcept { return handle_; }

 private:
  merino_barrier_t handle_ = 0;
};

}  // namespace merino

#endif
