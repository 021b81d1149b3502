/** @file error.hpp Exceptions; see merino.hpp. */
#ifndef MERINO_ERROR_HPP
#define MERINO_ERROR_HPP

#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>

#include "../merino.h"

namespace merino {

/** A call that failed. what() is the whole sentence: what was tried, on what, what happened, what to do. */
class error : public std::runtime_error {
 public:
  /** A failure with the sentence of this thread's last one. */
  explicit error(int code) : error(code, merino_last_error()) {}
  /** A failure with its sentence. */
  error(int code, const char *sentence)
      : std::runtime_error(*sentence != '\0' ? sentence : merino_strerror(code)), code_(code) {}

  /** A negative code, MERINO_E... */
  int code() const noexcept { return code_; }

 private:
  int code_;
};

/** Shared memory that was not to be had. what() is the sentence, as far as it fits; making it allocates
 * nothing. */
class bad_alloc : public std::bad_alloc {
 public:
  /** With the sentence of this thread's last failure. */
  bad_alloc() noexcept {
    std::strncpy(sentence_, merino_last_error(), sizeof sentence_ - 1);
    sentence_[sizeof sentence_ - 1] = '\0';
  }
  const char *what() const noexcept override { return sentence_; }

 private:
  char sentence_[512];
};

namespace detail {

/** Throws where a call of merino.h failed; else its result. */
inline int check(int result) {
  if (result < 0) throw error(result);
  return result;
}

/** As check, for what destructors of std::lock_guard and its like call, perhaps on the way of an exception:
 *  that the job is over (a node died, the fabric failed) the next call tells. */
inline void check_given_back(int result) {
  if (result != MERINO_EPEER && result != MERINO_EFABRIC) check(result);
}

/** Whether more exceptions are on their way than when an object was made: its destructor must not wait for
 * nodes then. */
class unwinding {
 public:
#if defined(__cpp_lib_uncaught_exceptions)
  unwinding() noexcept : before_(std::uncaught_exceptions()) {}
  explicit operator bool() const noexcept { return std::uncaught_exceptions() > before_; }
#else
  unwinding() noexcept : before_(std::uncaught_exception() ? 1 : 0) {}
  explicit operator bool() const noexcept { return before_ == 0 && std::uncaught_exception(); }
#endif

 private:
  int before_;
};

}  // namespace detail
}  // namespace merino

#endif
