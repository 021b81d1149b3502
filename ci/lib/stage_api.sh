# Everything public is documented, and everything that merino.h promises is in the library. After `build` and
# `release`.
stage_api() {
  local graphs
  check "merino.h and the library have the same functions" ci/check-exports out/lib/libmerino.so
  swift package dump-symbol-graph --minimum-access-level public --skip-synthesized-members >/dev/null
  graphs=$(find -L .build/debug/.. -maxdepth 2 -path '*/symbolgraph/Merino.symbols.json')
  check "every public Swift symbol is documented" ci/check-docs symbols "$graphs"
}
