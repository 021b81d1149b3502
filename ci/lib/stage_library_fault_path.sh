# The same of the library's own handler, with the whole engine behind it: as it is staged, and in the debug
# build. After `build` and `release`.
stage_library_fault_path() {
  local entries=(--entry mrn_fault_entry --entry mrn_forward_fault)
  check "the staged library's handler is async-signal-safe" \
    ci/check-fault-path out/lib/libmerino.so "${entries[@]}"
  check "the debug library's handler is async-signal-safe" \
    ci/check-fault-path .build/debug/libMerinoC.so "${entries[@]}"
  # The linked library before it is stripped.
  check "the types of the protocol's memory are bare instructions" \
    ci/check-bare .build-static/release/libMerinoC.so
  check_fails "check-bare sees calls" "calls .*Coherence6EngineV" \
    ci/check-bare .build-static/release/libMerinoC.so --names Coherence6EngineV
}
