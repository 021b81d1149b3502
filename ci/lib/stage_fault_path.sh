# The compiled page-fault handler, in the staged library and in the debug build, reaches nothing that is not
# async-signal-safe. After `build` and `release`.
fault_path_entries=(--entry merino_handle_fault)

stage_fault_path() {
  check "the handler of the staged library is async-signal-safe" \
    ci/check-fault-path out/lib/libmerino.so "${fault_path_entries[@]}"
  check "the handler of the debug build is async-signal-safe" \
    ci/check-fault-path .build/debug/libMerinoC.so "${fault_path_entries[@]}"
}
