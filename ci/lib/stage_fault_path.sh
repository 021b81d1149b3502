# The compiled page-fault handler reaches nothing that is not async-signal-safe: here with the least of a
# service behind it (Tests/FaultProbe), without optimisation and with it. After `build`.
stage_fault_path() {
  check "the handler in the debug build is async-signal-safe" \
    ci/check-fault-path .build/debug/FaultProbe --entry 'probe_fault_*'
  check "the release build of the handler" make --silent fault-probe
  check "the handler in the release build is async-signal-safe" \
    ci/check-fault-path .build-static/release/FaultProbe --entry 'probe_fault_*'
}
