// An exception ends the cluster's scope on node 0 while the others wait for it: nobody hangs, the exception
// is told, and the launcher ends the rest. See ci/lib/stage_languages.sh.
#include <merino.hpp>

#include <cstdio>

int main() {
  try {
    merino::cluster cluster;
    merino::array<int> all(100);
    if (cluster.node() == 0) merino::segment::open("never made");
    cluster.barrier();
  } catch (const merino::error &error) {
    std::printf("caught %d: %s\n", error.code(), error.what());
    return 7;
  }
}
