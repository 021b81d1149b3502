/** @file segment.hpp Segments and their views; see merino.hpp. */
#ifndef MERINO_SEGMENT_HPP
#define MERINO_SEGMENT_HPP

#include <sys/mman.h>

#include <cstddef>
#include <string>

#include "error.hpp"

namespace merino {

/** A segment mapped into this process, until the view ends: merino_segment_attach, merino_segment_detach. */
class view {
 public:
  view(view &&other) noexcept : address_(other.address_) { other.address_ = nullptr; }
  view &operator=(view &&other) noexcept {
    void *mine = address_;
    address_ = other.address_;
    other.address_ = mine;
    return *this;
  }
  view(const view &) = delete;
  view &operator=(const view &) = delete;
  ~view() {
    if (address_ != nullptr) merino_segment_detach(address_);
  }

  /** Unmaps it, and says what fails; it is mapped still where this throws. */
  void detach() {
    if (address_ == nullptr) return;
    detail::check(merino_segment_detach(address_));
    address_ = nullptr;
  }

  /** Its first byte. */
  void *data() const noexcept { return address_; }
  /** Its first bytes as objects. */
  template <class T>
  T *as() const noexcept {
    return static_cast<T *>(address_);
  }

 private:
  friend class segment;
  explicit view(void *address) noexcept : address_(address) {}
  void *address_;
};

/** A segment, as this process names it; a value. It lives until destroy(), or the job's end. */
class segment {
 public:
  /** Makes a segment of zeros: merino_segment_create. Others open it by its name. */
  static segment create(const std::string &name, std::size_t bytes) { return create(name, bytes, nullptr); }
  static segment create(const std::string &name, std::size_t bytes, const merino_segment_options_t &options) {
    return create(name, bytes, &options);
  }
  /** Finds a segment by its name: merino_segment_open. */
  static segment open(const std::string &name) {
    merino_segment_t handle = 0;
    detail::check(merino_segment_open(name.c_str(), &handle));
    return segment(handle);
  }

  /** Maps it, by default at the address that is the same on all nodes. `protection` is PROT_READ or
   *  PROT_READ | PROT_WRITE. */
  view attach(int protection = PROT_READ | PROT_WRITE, void *where = nullptr) const {
    void *address = nullptr;
    detail::check(merino_segment_attach(handle_, where, protection, &address));
    return view(address);
  }

  /** Describes it: merino_segment_info. */
  merino_segment_info_t info() const {
    merino_segment_info_t info = MERINO_SEGMENT_INFO_INIT;
    detail::check(merino_segment_info(handle_, &info));
    return info;
  }

  /** Removes it; its views stay usable: merino_segment_destroy. */
  void destroy() const { detail::check(merino_segment_destroy(handle_)); }

  /** What merino.h calls it. */
  merino_segment_t handle() const noexcept { return handle_; }

 private:
  explicit segment(merino_segment_t handle) noexcept : handle_(handle) {}
  static segment create(const std::string &name, std::size_t bytes, const merino_segment_options_t *options) {
    merino_segment_t handle = 0;
    detail::check(merino_segment_create(name.c_str(), bytes, options, &handle));
    return segment(handle);
  }
  merino_segment_t handle_;
};

}  // namespace merino

#endif
