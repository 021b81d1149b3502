# Every check of ci/ is run on something that is wrong, and must say so.
stage_checks() {
  local work
  work=$(mktemp -d -t merino-checks.XXXXXX)
  checks_fault_path "$work"
  checks_header "$work"
  checks_library "$work"
  checks_documents "$work"
  checks_counting "$work"
  checks_benchmarks "$work"
  checks_dependencies "$work"
  rm -rf "$work"
}

checks_fault_path() {
  local library=$1/fault-path.so
  gcc -O2 -fPIC -shared -o "$library" ci/fixtures/fault-path.c
  check "check-fault-path admits a clean handler" ci/check-fault-path "$library" --entry clean_entry
  check_fails "check-fault-path finds malloc three calls down" 'malloc' \
    ci/check-fault-path "$library" --entry allocating_entry
  objcopy --strip-symbol=deeper --strip-symbol=deep "$library" "$1/nameless.so"
  check_fails "check-fault-path finds malloc in functions without a symbol" 'no name, after' \
    ci/check-fault-path "$1/nameless.so" --entry allocating_entry
  check_fails "check-fault-path finds malloc in a tail call" 'malloc' \
    ci/check-fault-path "$library" --entry jumping_entry
  check_fails "check-fault-path finds a lock" 'pthread_mutex_lock' \
    ci/check-fault-path "$library" --entry locking_entry
  check_fails "check-fault-path finds a function pointer" 'indirect call' \
    ci/check-fault-path "$library" --entry calling_entry
  check_fails "check-fault-path finds an entry that is not there" 'no function matches' \
    ci/check-fault-path "$library" --entry renamed_entry
  { cat ci/fault-path.allow; echo "indirect calling_entry"; } >"$1/allow"
  check "check-fault-path admits a listed function pointer" \
    ci/check-fault-path "$library" --entry calling_entry --allow "$1/allow"
}

checks_header() {
  local header=Sources/Merino/CMerino/include/merino.h
  grep -v 'As merino_atomic_load_u64' "$header" >"$1/function.h"
  check_fails "check-header finds a function without documentation" 'no documentation: int merino_atomic_load' \
    ci/check-header "$1/function.h"
  grep -v 'The name is taken' "$header" >"$1/code.h"
  check_fails "check-header finds a code without documentation" 'no documentation: #define MERINO_EEXIST' \
    ci/check-header "$1/code.h"
  sed 's/define MERINO_EBUSY (-9)/define MERINO_EBUSY (-90)/' "$header" >"$1/number.h"
  check_fails "check-header finds a code with another number" 'rejects abi.c' ci/check-header "$1/number.h"
  sed 's/<stddef.h>/<limits.h>/' "$header" >"$1/include.h"
  check_fails "check-header finds a header that does not compile alone" 'rejects alone.c' \
    ci/check-header "$1/include.h"
}

checks_library() {
  echo 'int merino_x(void) { return 0; } int stranger(void) { return 0; } int $s4TestMutationsOn;' |
    gcc -shared -fPIC -x c -o "$1/wrong.so" -
  check_fails "check-library finds a foreign export" 'exports.*stranger' ci/check-library "$1/wrong.so"
  check_fails "check-library finds a function without a version" 'no version: merino_x' ci/check-library "$1/wrong.so"
  check_fails "check-library finds a missing soname" 'soname' ci/check-library "$1/wrong.so"
  check_fails "check-library finds a mutation" 'traces' ci/check-library "$1/wrong.so"
  check_fails "check-exports finds a function that is not there" 'declared and not exported: merino_init$' \
    ci/check-exports "$1/wrong.so"
  check_fails "check-exports finds a function that is not declared" 'exported and not declared: merino_x$' \
    ci/check-exports "$1/wrong.so"
}

checks_documents() {
  printf '# A\n\n[b](nowhere.md)\n' >"$1/link.md"
  check_fails "check-markdown finds a broken link" 'link.md:3: .*nowhere.md' ci/check-markdown "$1/link.md"
  printf '```c compile\n#include <merino.h>\nint x = merino_nodes(1);\n```\n' >"$1/code.md"
  check_fails "check-markdown finds code that does not compile" 'code.md:1: c compile' \
    ci/check-markdown "$1/code.md"
  printf '```sh run\nfalse\n```\n' >"$1/run.md"
  check_fails "check-markdown finds a command that fails" 'run.md:1: sh run' ci/check-markdown --run "$1/run.md"
  printf '```c complie\nint x;\n```\n' >"$1/mark.md"
  check_fails "check-markdown finds a mark that it does not know" 'complie' ci/check-markdown "$1/mark.md"
  cat >"$1/symbols.json" <<'JSON'
{"symbols": [{"accessLevel": "public", "pathComponents": ["Segment", "attach()"],
  "location": {"uri": "file:///a/Segment.swift", "position": {"line": 6, "character": 1}}}]}
JSON
  check_fails "check-docs finds a Swift symbol without documentation" 'Segment.swift:7: .*Segment.attach' \
    ci/check-docs symbols "$1/symbols.json"
  echo '{"symbols": []}' >"$1/empty.json"
  check_fails "check-docs finds a module without public symbols" '0 public symbols' \
    ci/check-docs symbols "$1/empty.json"
}

checks_counting() {
  mkdir "$1/reports" "$1/none"
  cat >"$1/reports/a.xml" <<'XML'
<testsuites><testsuite><testcase classname="A" name="good()" /><testcase classname="A" name="bad()"><failure
message="no" /></testcase><testcase classname="A" name="left()"><skipped>why</skipped></testcase></testsuite></testsuites>
XML
  check "a failed test is counted" grep -q '^failed 1 ' <(python3 ci/lib/count-xunit.py "$1/reports" 1)
  check "a run that ends early is a failure" grep -q '^failed 1 ' <(python3 ci/lib/count-xunit.py "$1/none" 139)
  check "a run without tests is a failure" grep -q '^failed 1 ' <(python3 ci/lib/count-xunit.py "$1/none" 0)
  printf '#!/bin/sh\necho PASS at first\nseq 100000\necho FAIL at last\n' >"$1/wordy"
  chmod +x "$1/wordy"
  # In a shell of its own: inside `check` no command that fails ends the function.
  check "a program that says much and fails is counted, and the stage goes on" env \
    tally_file="$1/tally" directory=. programs_run="$1/wordy" \
    bash -euo pipefail -c "$(declare -f program_checks tally_output tally); program_checks 1 it; grep -q '^failed 1 it' \"\$tally_file\""
  echo "$PWD/Sources/A/B.swift:1:2: warning: variable was never used" >"$1/log"
  check_fails "check-warnings finds a warning" 'never used' ci/check-warnings "$1/log"
}

# A report of merino-fetch-lat: slow, and otherwise whole.
benchmark_report() {
  local table='"MsgSize": 4096, "n_iterations": 3, "t_min": 1, "t_max": 1, "t_typical": 1, "t_median": 1, "t_avg": 1,
    "t_stdev": 0, "percentile_99": 1, "percentile_99.9": 1'
  local floor='"floor_usec": 1, "floor": [{"name": "fault", "count": 1, "latency": {'$table'}}], "latency": {'$table'}'
  echo '{"benchmark": "merino-fetch-lat", "fabric": "host", "nodes": 2, "floor_source": "host", "floor_note": "x",
    "series": [{"name": "first fetch", "figure_usec": 1.1, "ratio": 1.1, '"$floor"'},
    {"name": "refetch", "figure_usec": 1.5, "ratio": 1.5, '"$floor"', "facts": {"sequential_usec_per_page": 0.1}}]}'
}

checks_benchmarks() {
  local check_report=(python3 ci/lib/check-benchmark-report.py)
  benchmark_report >"$1/slow.json"
  check "a whole report passes" "${check_report[@]}" "$1/slow.json"
  check_fails "a slow refetch is found" 'refetch must be at most 1.3' \
    "${check_report[@]}" --limits 1.3 0.4 "$1/slow.json"
  sed 's/1\.5/0.5/g' "$1/slow.json" >"$1/floor.json"
  check_fails "a floor that is none is found" 'measured wrongly' \
    "${check_report[@]}" --limits 1.3 0.4 "$1/floor.json"
  sed 's/"n_iterations": 3/"n_iterations": 0/' "$1/slow.json" >"$1/samples.json"
  check_fails "a report without samples is found" 'no samples' "${check_report[@]}" "$1/samples.json"
  sed 's/"floor_usec": 1/"floor_usec": 2/' "$1/slow.json" >"$1/sum.json"
  check_fails "a floor that is not the sum of its parts is found" 'not the sum' "${check_report[@]}" "$1/sum.json"
  sed 's/first fetch/fetch/' "$1/slow.json" >"$1/names.json"
  check_fails "a report without a series is found" 'the series are fetch' "${check_report[@]}" "$1/names.json"
  check "the arithmetic of compare-perftest" python3 ci/lib/compare_perftest_test.py
  check_fails "compare-perftest refuses an option that is none" '--round is no option' ci/compare-perftest --round 1
  check_fails "compare-perftest refuses no rounds" 'takes a number from 1' ci/compare-perftest --rounds 0
  check_fails "compare-perftest refuses a fabric that is none" 'takes verbs or host' ci/compare-perftest --fabric tcp
}

# A package whose second target imports the first without saying so. SwiftPM leaves lock files, named for the package, in
# the folder for temporary files.
checks_dependencies() {
  local here=(env "TMPDIR=$1/temporary")
  mkdir -p "$1/temporary" "$1/package/Sources/Below" "$1/package/Sources/Above"
  touch "$1/package/Sources/Below/Below.swift"
  echo 'public import struct Below.Thing' >"$1/package/Sources/Above/Above.swift"
  cat >"$1/package/Package.swift" <<'SWIFT'
// swift-tools-version: 6.2
import PackageDescription
let package = Package(name: "wrong", targets: [.target(name: "Below"), .target(name: "Above")])
SWIFT
  check_fails "check-dependencies finds an import that is not declared" 'Above.swift imports Below, which Above' \
    "${here[@]}" ci/check-dependencies "$1/package"
  sed -i 's/name: "Above"/name: "Above", dependencies: ["Below"]/' "$1/package/Package.swift"
  check "check-dependencies admits one that is declared" "${here[@]}" ci/check-dependencies "$1/package"
  : >"$1/package/Sources/Above/Above.swift"
  check_fails "check-dependencies finds a declared one that is not imported" 'Above depends on Below' \
    "${here[@]}" ci/check-dependencies "$1/package"
}
