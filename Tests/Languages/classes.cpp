// merino.hpp, class by class, on one node and several; see ci/lib/stage_languages.sh.
#include <merino.hpp>

#include <map>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "../Programs/check.h"

namespace {

using namespace std::chrono_literals;

// One test: the call throws merino::error with this code and a sentence.
template <class Call>
void check_throws(int code, const char *name, Call call) {
  try {
    call();
  } catch (const merino::error &error) {
    CHECK(error.code() == code && is_sentence(error.what()), name);
    return;
  } catch (...) {
  }
  CHECK(!"it threw no merino::error", name);
}

// A value of the root's that all nodes get a pointer to.
template <class T>
T *shared(T *mine) {
  return merino::broadcast(mine, 0);
}

// Objects that order threads, made by node 0, as they lie in shared memory.
struct objects {
  merino::mutex mutex = merino::mutex::make();
  merino::shared_mutex readers_writer = merino::shared_mutex::make();
  merino::event event = merino::event::make();
  merino::condition_variable condition = merino::condition_variable::make();
  merino::thread_barrier barrier;
  long counter = 0;
  long turns = 0;

  explicit objects(int nodes) : barrier(merino::thread_barrier::make(static_cast<unsigned>(2 * nodes))) {}
  ~objects() {
    mutex.destroy();
    readers_writer.destroy();
    event.destroy();
    condition.destroy();
    barrier.destroy();
  }
};

void locks(objects &o, int nodes) {
  const int rounds = 200;
  for (int i = 0; i < rounds; i++) {
    merino::scoped_lock held(o.mutex);
    o.counter++;
  }
  for (int i = 0; i < rounds; i++) {
    std::lock_guard<const merino::mutex> held(o.mutex);
    o.counter++;
  }
  for (int i = 0; i < rounds; i++) {
    std::lock_guard<merino::shared_mutex> held(o.readers_writer);
    merino::scoped_lock also(o.mutex);
    o.counter++;
  }
  merino::barrier();
  {
    std::shared_lock<merino::shared_mutex> held(o.readers_writer);
    CHECK(o.counter == 3L * rounds * nodes, "locks: every increment counts");
  }
  merino::barrier();
  if (check_node == 0) {
    std::unique_lock<merino::mutex> held(o.mutex);
    check_throws(MERINO_EDEADLK, "lock: by its holder", [&] { o.mutex.lock(); });
    merino::barrier();
    merino::barrier();
    held.unlock();
    check_throws(MERINO_EPERM, "unlock: not held", [&] { o.mutex.unlock(); });
  } else {
    merino::barrier();
    CHECK(!o.mutex.try_lock(), "try_lock: held elsewhere");
    CHECK(!o.mutex.try_lock_for(2ms), "try_lock_for: held elsewhere");
    CHECK(!o.mutex.try_lock_until(std::chrono::steady_clock::now() - 1s),
          "try_lock_until: a time that has passed");
    merino::barrier();
  }
  merino::barrier();
  {
    std::unique_lock<merino::mutex> held(o.mutex, std::chrono::hours::max());
    CHECK(held.owns_lock(), "try_lock_for: the longest limit");
  }
  CHECK(merino::mutex::named("by name").handle() == merino::mutex::named("by name").handle(),
        "mutex: by name");
}

void waiting(objects &o, int nodes) {
  std::thread other([&] { o.barrier.wait(); });
  o.barrier.wait();
  other.join();
  CHECK(true, "thread_barrier: two threads of each node pass");

  if (check_node == 0) {
    o.counter = 7;
    o.event.set();
  } else {
    o.event.wait();
    CHECK(o.counter == 7, "event: what was written before");
  }
  merino::barrier();
  // In turn, node after node.
  {
    std::unique_lock<merino::mutex> held(o.mutex);
    o.condition.wait(held, [&] { return o.turns == check_node; });
    o.turns++;
    o.condition.notify_all();
  }
  merino::barrier();
  CHECK(o.turns == nodes, "condition_variable: each in its turn");
  {
    std::unique_lock<merino::mutex> held(o.mutex);
    CHECK(o.condition.wait_for(held, 1ms) == std::cv_status::timeout && held.owns_lock(),
          "wait_for: times out");
    CHECK(!o.condition.wait_for(held, 1ms, [] { return false; }), "wait_for: a predicate that never holds");
    CHECK(o.condition.wait_for(held, std::chrono::hours::max(), [] { return true; }),
          "wait_for: the longest limit");
  }
}

using word = std::basic_string<char, std::char_traits<char>, merino::allocator<char>>;
using dictionary = std::map<word, long, std::less<word>, merino::allocator<std::pair<const word, long>>>;
using numbers = std::vector<long, merino::allocator<long>>;

void containers(objects &o, int nodes) {
  auto *words = shared(check_node == 0 ? merino::create<dictionary>() : nullptr);
  auto *list = shared(check_node == 0 ? merino::create<numbers>() : nullptr);
  for (long i = 0; i < 100; i++) {
    merino::scoped_lock held(o.mutex);
    (*words)[word("a word too long for the string itself, number ") + std::to_string(i).c_str()] += i;
    list->push_back(check_node);
  }
  merino::barrier();
  long wrong = words->size() != 100 || list->size() != static_cast<size_t>(100 * nodes);
  long i = 0, sum = 0;
  for (const auto &entry : *words) sum += entry.second;
  for (long by : *list) i += by;
  wrong += sum != 4950L * nodes || i != 100L * nodes * (nodes - 1) / 2;
  CHECK(wrong == 0, "allocator: containers that all nodes fill");
  merino::barrier();
  // Another node than the one that allocated frees.
  if (check_node == nodes - 1) {
    merino::destroy(words);
    merino::destroy(list);
  }
  struct alignas(256) wide {
    char bytes[256];
  };
  merino::unique_ptr<wide> aligned(merino::create<wide>());
  CHECK(reinterpret_cast<uintptr_t>(aligned.get()) % 256 == 0, "allocator: more than usual alignment");
  try {
    numbers endless;
    endless.reserve(size_t{1} << 58);
    CHECK(!"there was memory", "allocator: too much");
  } catch (const std::bad_alloc &error) {
    CHECK(is_sentence(error.what()), "allocator: too much");
  }
  merino::barrier();
}

void arrays(int nodes) {
  merino::array<double> all(1000);
  merino::array<double> moved(std::move(all));
  CHECK(all.data() == nullptr && moved.size() == 1000 && moved[999] == 0, "array: moved, and zeros");
  merino::barrier();
  for (size_t i = static_cast<size_t>(check_node); i < moved.size(); i += static_cast<size_t>(nodes))
    moved[i] = 1;
  merino::barrier();
  double sum = 0;
  for (double each : moved) sum += each;
  CHECK(sum == 1000, "array: what all nodes wrote");
  moved.free();
  CHECK(merino::allreduce(check_node, MERINO_MAX) == nodes - 1, "allreduce: int");
  CHECK(merino::allreduce(0.5f, MERINO_SUM) == 0.5f * static_cast<float>(nodes), "allreduce: float");
  std::uint64_t bits[2] = {std::uint64_t{1} << check_node, 5};
  merino::allreduce(bits, 2, MERINO_BOR);
  CHECK(bits[0] == (std::uint64_t{1} << nodes) - 1 && bits[1] == 5, "allreduce: values in place");
  check_throws(MERINO_EINVAL, "broadcast: no such root", [] { merino::broadcast(1, 1 << 20); });
}

void segments() {
  if (check_node == 0) merino::segment::create("made in C++", 8192);
  merino::barrier();
  auto segment = merino::segment::open("made in C++");
  CHECK(segment.info().bytes == 8192 && std::string(segment.info().name) == "made in C++", "segment: info");
  {
    merino::view first = segment.attach();
    merino::view second = std::move(first);
    CHECK(first.data() == nullptr && second.data() == segment.info().default_view, "view: moved");
    second.as<int>()[check_node] = check_node + 1;
    merino::barrier();
    long sum = 0;
    for (int i = 0; i < merino::nodes(); i++) sum += second.as<int>()[i];
    CHECK(sum == merino::nodes() * (merino::nodes() + 1) / 2, "view: what all nodes wrote");
    {
      merino::pin pinned(second.data(), 4096, PROT_READ);
      check_throws(MERINO_EBUSY, "view: detached while pinned", [&] { second.detach(); });
    }
    merino::prefetch(second.as<int>(), 1024);
  }
  CHECK(segment.info().views == 0, "view: unmapped at its end");
  merino::barrier();
  if (check_node == 0) segment.destroy();
  merino::barrier();
  check_throws(MERINO_ENOENT, "segment: no such name", [] { merino::segment::open("made in C++"); });
  check_throws(MERINO_EINVAL, "segment: a name too long",
               [] { merino::segment::create(std::string(99, 'x'), 1); });
}

void atomics(int nodes) {
  merino::array<std::int64_t> words(2);
  merino::atomic_ref<std::int64_t> counter(words[0]);
  for (int i = 0; i < 100; i++) counter.fetch_add(2, std::memory_order_relaxed);
  for (int i = 0; i < 100; i++) counter.fetch_sub(1, std::memory_order_relaxed);
  merino::barrier();
  CHECK(counter.load() == 100L * nodes, "atomic_ref: add and subtract");
  merino::barrier();
  if (check_node == 0) {
    double &second = reinterpret_cast<double &>(words[1]);
    merino::atomic_ref<double> real(second);
    real.store(1.5, std::memory_order_release);
    double expected = 2;
    CHECK(!real.compare_exchange_strong(expected, 3, std::memory_order_acq_rel) && expected == 1.5,
          "atomic_ref: another value than expected");
    CHECK(real.compare_exchange_strong(expected, 3) && real.exchange(4, std::memory_order_acquire) == 3 &&
              real.load(std::memory_order_acquire) == 4,
          "atomic_ref: swapped");
  }
  int here = 0;
  check_throws(MERINO_EFAULT, "atomic_ref: private memory", [&] { merino::atomic_ref<int>(here).load(); });
}

}  // namespace

int main() {
  check_throws(MERINO_ENOTINIT, "nodes: before joining", [] { merino::nodes(); });
  {
    merino::cluster cluster;
    check_node = cluster.node();
    const int nodes = cluster.nodes();
    auto *o = shared(check_node == 0 ? merino::create<objects>(nodes) : nullptr);
    locks(*o, nodes);
    waiting(*o, nodes);
    containers(*o, nodes);
    arrays(nodes);
    segments();
    atomics(nodes);
    check_throws(MERINO_EALREADY, "cluster: a second one", [] { merino::cluster again; });
    CHECK(merino::statistics().barriers > 0 && std::string(merino::version()) == "0.1.0",
          "statistics, version");
    cluster.barrier();
    if (check_node == 0) merino::destroy(o);
    cluster.finalize();
    check_throws(MERINO_ENOTINIT, "finalize: a second time", [&] { cluster.finalize(); });
  }
  check_throws(MERINO_ENOTINIT, "nodes: after leaving", [] { merino::nodes(); });
  return check_failures == 0 ? 0 : 1;
}
