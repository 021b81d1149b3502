# Every check of ci/ is run on something that is wrong, and must say so; the runner of the tables and the
# tables, too.
stage_checks() {
  local wrong=ci/fixtures/wrong
  checks_tables
  check "no stage calls another one's function, none reads its caller's variables" ci/check-stages ci/soak \
    ci/lib/*.sh ci/lib/{guest,install}/*.sh Sources/Compatibility/*/Tests/stage_*.sh
  check_fails "check-stages finds a function that reads its caller's variables" 'reads directory' \
    ci/check-stages ci/fixtures/stages/stage_b.sh
  check_fails "check-stages finds a stage that calls another one's function" 'calls a_helper of' \
    ci/check-stages ci/fixtures/stages/stage_a.sh ci/fixtures/stages/stage_b.sh
  run_table checks:header
  gcc -O2 -fPIC -shared -o "$CI_WORK/fault-path.so" ci/fixtures/fault-path.c
  objcopy --strip-symbol=deeper --strip-symbol=deep "$CI_WORK/fault-path.so" "$CI_WORK/nameless.so"
  run_table "checks:fault path" library="$CI_WORK/fault-path.so" nameless="$CI_WORK/nameless.so"
  echo 'int merino_x(void) { return 0; } int stranger(void) { return 0; } int $s4TestMutationsOn;' |
    gcc -shared -fPIC -x c -o "$CI_WORK/wrong.so" -
  run_table checks:library library="$CI_WORK/wrong.so"
  echo "$PWD/Sources/A/B.swift:1:2: warning: variable was never used" >"$CI_WORK/log"
  run_table checks:documents files=$wrong log="$CI_WORK/log"
  mkdir "$CI_WORK/none"
  run_table checks:counting reports=$wrong/reports none="$CI_WORK/none"
  # A report of merino-fetch-lat: slow, and otherwise whole.
  run_table checks:benchmarks slow=$wrong/slow.json
  checks_dependencies "$CI_WORK"
  checks_columns "$CI_WORK"
}

# The runner sees each row of the table `planted`, and the row of no table is one that cannot fail.
checks_tables() {
  local table line
  CI_PATIENCE=1 CI_TALLY='' ci/run-table planted >"$CI_WORK/planted" || true
  while read -r line; do
    check "planted: $line" grep -Fqx "FAIL $line" "$CI_WORK/planted"
  done <ci/fixtures/planted
  for table in ci/tables/* Sources/Compatibility/*/Tests/*.table; do
    [ "$table" = ci/tables/planted ] ||
      check "$(basename "$table" .table): each row can fail, for each reason" \
        env CI_TALLY= ci/check-tables "$table"
  done
  check_fails "run-table finds a table that is not there" 'FAIL nowhere: there is no such table' \
    env CI_TALLY= ci/run-table nowhere
  check_fails "run-table finds a section that is not there" 'it has no section nowhere' \
    env CI_TALLY= ci/run-table verbs:nowhere
  echo "without a reason | - | true | ends" >"$CI_WORK/table"
  check_fails "check-tables finds a row that cannot fail" 'not red for that' \
    env CI_TALLY= ci/check-tables "$CI_WORK/table"
  # The comparison of two runs finds what is gone, and no more than what is said.
  printf '%s\n' 's: a' 's: b' 's: b' >"$CI_WORK/old"
  printf '%s\n' 's: a' 's: b' >"$CI_WORK/new"
  check_fails "compare-checks finds a check that is gone" '^gone: s: b$' \
    ci/compare-checks "$CI_WORK/old" "$CI_WORK/new"
  check "compare-checks says what is new" ci/compare-checks "$CI_WORK/new" "$CI_WORK/old"
}

# A package whose second target imports the first without saying so. SwiftPM leaves lock files, named for
# the package, in the folder for temporary files.
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
  check_fails "check-dependencies finds an import that is not declared" \
    'Above.swift imports Below, which Above' \
    "${here[@]}" ci/check-dependencies "$1/package"
  sed -i 's/name: "Above"/name: "Above", dependencies: ["Below"]/' "$1/package/Package.swift"
  check "check-dependencies admits one that is declared" "${here[@]}" ci/check-dependencies "$1/package"
  : >"$1/package/Sources/Above/Above.swift"
  check_fails "check-dependencies finds a declared one that is not imported" 'Above depends on Below' \
    "${here[@]}" ci/check-dependencies "$1/package"
}

# A comment of 111 columns, and one in a list, which are wrapped and lose nothing; and code that is as long,
# which is told.
checks_columns() {
  local words file=$1/wide.h
  words=$(printf 'word %.0s' {1..30})
  printf '/// %s\n/// - %s\nint a; // %s\n' "${words:0:107}" "$words" "${words:0:101}" >"$file"
  tr -d '/ \n' <"$file" >"$1/narrow"
  check_fails "check-columns finds a comment that is too long" 'wide.h:1: 111 columns' \
    ci/check-columns "$file"
  check_fails "check-columns tells the code that it does not wrap" 'wide.h:5: 111 columns' \
    ci/check-columns --wrap "$file"
  check "check-columns wraps the rest" test "$(cut -c1-7 "$file" | paste -sd'|')" = \
    '/// wor|/// wo|/// - w|///   w|int a; '
  check "check-columns loses nothing" cmp <(tr -d '/ \n' <"$file") "$1/narrow"
}
