# The debug build, with the tests. Warnings of our own sources are failures.
stage_build() {
  check "debug build" logged "$CI_WORK/log" swift build --build-tests
  check "the debug build has no warnings" ci/check-warnings "$CI_WORK/log"
  check "what must not mix does not compile" ci/check-misuse
  check_fails "check-misuse finds what compiles" "the compiler said: nothing" \
    ci/lib/edited ci/fixtures/misuse.swift 's|^// accepted|// refused: anything|' ci/check-misuse @
}
