# Each benchmark runs and its report is whole; wrong options are refused in a sentence. The ratios of merino-fetch-lat are
# printed, not judged: machines that run tests are shared and noisy. `ci/check-fetch-latency` judges them.
stage_benchmarks() {
  local work
  work=$(mktemp -d -t merino-benchmarks.XXXXXX)
  benchmark "$work" merino-fetch-lat -n 2000 -d
  python3 ci/lib/check-benchmark-report.py "$work/merino-fetch-lat.json" | sed 's/^/  /' || true
  benchmark "$work" merino-fetch-bw -n 1280
  benchmark "$work" merino-write-lat -n 500
  benchmark "$work" merino-release-lat -n 10 --pages 1,64,1000
  benchmark "$work" merino-lock-lat -n 200
  benchmark "$work" merino-barrier-lat -n 500
  benchmark "$work" merino-atomic-lat -n 500
  check "merino bench runs and reports" timeout --kill-after=5 60 out/bin/merino run -n 2 -- \
    out/bin/merino bench atomic-lat -n 500 --json "$work/bench.json"
  check "its report is whole" python3 ci/lib/check-benchmark-report.py "$work/bench.json"
  benchmark_options
  check "compare-perftest runs over the host fabric and prints its ratios" benchmarks_compared "$work"
  rm -rf "$work"
}

# benchmark DIRECTORY NAME OPTIONS...
benchmark() {
  local report=$1/$2.json name=$2
  shift 2
  check "$name runs and reports" timeout --kill-after=5 60 out/bin/merino run -n 2 -- \
    "out/bin/$name" "$@" --json "$report"
  check "the report of $name is whole" python3 ci/lib/check-benchmark-report.py "$report"
}

benchmark_options() {
  local run=(timeout --kill-after=5 60 out/bin/merino run -n 2 --)
  check_fails "a page of another size is refused" 'power of two from 4096' out/bin/merino-fetch-lat -s 100
  check_fails "a word of another size is refused" '4 or 8 bytes, not 6' out/bin/merino-atomic-lat -s 6
  check_fails "too few iterations are refused" 'lies between 5 and' out/bin/merino-lock-lat -n 4
  check_fails "no duration is refused" 'between 1 and 3600 seconds' out/bin/merino-barrier-lat -D 0
  check_fails "no pages are refused" 'numbers from 1 to 65,536' out/bin/merino-release-lat --pages 1,0
  check_fails "a pattern that is none is refused" 'contiguous, scattered and full' \
    out/bin/merino-release-lat --patterns none
  check_fails "a job of one node is refused" 'takes two nodes' out/bin/merino-write-lat
  check_fails "a report that cannot be written is said" 'could not write the report' \
    "${run[@]}" out/bin/merino-barrier-lat -n 5 --json /nowhere/report.json
  check "all results are listed as they came" benchmark_lists -U 10
  check "more nodes only wait" timeout --kill-after=5 60 out/bin/merino run -n 3 -- out/bin/merino-lock-lat -n 50
  if [ ! -d /sys/class/infiniband ] || [ -z "$(ls /sys/class/infiniband)" ]; then
    check_fails "demanded verbs that are not there are said" 'no floor of verbs; node 0: .*no RDMA device' \
      "${run[@]}" out/bin/merino-barrier-lat -n 5 --floor verbs
  fi
}

# benchmark_lists OPTION COUNT: the list of single results has COUNT entries.
benchmark_lists() {
  local lines
  lines=$(timeout --kill-after=5 60 out/bin/merino run -n 2 -- out/bin/merino-barrier-lat "$1" -n "$2" |
    grep -cE '^[0-9]+, [0-9]+\.[0-9]+$')
  [ "$lines" -eq "$2" ] || { echo "$lines results are listed, not $2"; return 1; }
}

# benchmarks_compared DIRECTORY
benchmarks_compared() {
  timeout --kill-after=5 120 ci/compare-perftest --fabric host --rounds 1 --quick --json "$1/compare.json" \
    >"$1/compare.txt" 2>&1 || { cat "$1/compare.txt"; return 1; }
  [ "$(grep -c '^ratio ' "$1/compare.txt")" -eq 9 ] || { cat "$1/compare.txt"; return 1; }
  python3 -c 'import json, sys; assert len(json.load(open(sys.argv[1]))["figures"]) >= 9' "$1/compare.json"
}
