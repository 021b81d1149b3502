// Locks held by guards of C++ when the job is over: the exception that says so reaches its handler, and no
// guard ends the program on the way. With a debug build of the library.
#include <cstdio>
#include <cstring>
#include <mutex>
#include <shared_mutex>

#include <merino.hpp>

extern "C" void cplatform_injection_arm(int kind, long nth);
extern "C" int cplatform_injection_disarm(void);

static int failures;

static void check(bool holds, const char *name) {
  std::printf("%s %s\n", holds ? "PASS" : "FAIL", name);
  failures += !holds;
}

// The code of what `body` throws.
template <class Body>
static int thrown(Body body) {
  try {
    body();
  } catch (const merino::error &error) {
    return error.code();
  }
  return 0;
}

int main() {
  merino::cluster cluster;
  merino::mutex mutex = merino::mutex::make(), other = merino::mutex::make();
  merino::shared_mutex shared = merino::shared_mutex::make();
  merino::event event = merino::event::make();
  enum { fabric = 3 };
  int code = thrown([&] {
    std::lock_guard<merino::mutex> one(mutex);
    std::unique_lock<merino::shared_mutex> two(shared);
    merino::scoped_lock three(other);
    cplatform_injection_arm(fabric, 1);
    event.set();
  });
  check(cplatform_injection_disarm() == 1 && code == MERINO_EFABRIC,
        "an exception passes guards whose locks cannot be given back");
  check(thrown([&] { std::lock_guard<merino::mutex> again(mutex); }) == MERINO_EFABRIC,
        "the next call says the same");
  check(thrown([&] { event.set(); }) == MERINO_EFABRIC, "and so does every other");
  code = thrown([&] { cluster.finalize(); });
  check(code == 0 || code == MERINO_EFABRIC, "the process can leave");
  return failures != 0;
}
