/*
 * Standard containers in shared memory: all nodes count the words of a text in one std::map of std::string, behind one
 * lock, and each word keeps a std::vector of the lines where it stands.
 *
 *     out/bin/merino run -n 4 -- out/examples/containers-cpp [LINES]
 */
#include <merino.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

using text = std::basic_string<char, std::char_traits<char>, merino::allocator<char>>;
using lines = std::vector<long, merino::allocator<long>>;
using index_of_words = std::map<text, lines, std::less<text>, merino::allocator<std::pair<const text, lines>>>;

/* What the nodes share, in one object. */
struct library {
  merino::mutex mutex = merino::mutex::make();
  index_of_words words;
  ~library() { mutex.destroy(); }
};

/* The words of a line, the same on all nodes: some short, some longer than a string has room for in itself. */
static std::vector<std::string> words_of(long line) {
  std::vector<std::string> words;
  for (long divisor = 2; divisor <= 9; divisor++) {
    if (line % divisor == 0) words.push_back("divisible by the number " + std::to_string(divisor));
  }
  words.push_back("line");
  return words;
}

static void enter(library &shared, long line) {
  for (const std::string &word : words_of(line)) {
    merino::scoped_lock held(shared.mutex);
    shared.words[text(word.c_str())].push_back(line);
  }
}

/* Whether the index has what one node alone would have found. */
static bool is_right(const library &shared, long count) {
  std::map<std::string, std::vector<long>> expected;
  for (long line = 1; line <= count; line++) {
    for (const std::string &word : words_of(line)) expected[word].push_back(line);
  }
  if (expected.size() != shared.words.size()) return false;
  for (const auto &entry : shared.words) {
    std::vector<long> found(entry.second.begin(), entry.second.end());
    std::sort(found.begin(), found.end());
    if (expected[entry.first.c_str()] != found) return false;
  }
  return true;
}

static bool count_words(const merino::cluster &cluster, long count) {
  /* Made by one node; the others get the address, which is the same everywhere. */
  library *shared = merino::broadcast(cluster.node() == 0 ? merino::create<library>() : nullptr, 0);
  for (long line = 1 + cluster.node(); line <= count; line += cluster.nodes()) enter(*shared, line);
  cluster.barrier();
  /* Everybody looks, so every page goes everywhere. */
  const bool right = merino::allreduce(is_right(*shared, count) ? 1 : 0, MERINO_MIN) == 1;
  if (cluster.node() == 0) {
    std::printf("%s containers-cpp: %zu words of %ld lines, indexed by %d nodes\n", right ? "PASS" : "FAIL",
                shared->words.size(), count, cluster.nodes());
    merino::destroy(shared);
  }
  return right;
}

int main(int argc, char **argv) {
  const long count = argc > 1 ? std::atol(argv[1]) : 500;
  if (count < 1) {
    std::fprintf(stderr, "usage: containers-cpp [LINES], at least 1\n");
    return 2;
  }
  try {
    merino::cluster cluster;
    const bool right = count_words(cluster, count);
    cluster.finalize();
    return right ? 0 : 1;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "containers-cpp: %s\n", error.what());
    return 2;
  }
}
