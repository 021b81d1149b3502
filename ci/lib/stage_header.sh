stage_header() {
  check "merino.h compiles alone, keeps its numbers and is documented" ci/check-header
}
