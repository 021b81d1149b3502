# The application kernels as threads and as nodes: that they are right, that they see what is wrong, and that
# their comparison runs. `ci/compare-threads` by hand for times. After `release`.
stage_kernels() {
  check "make kernels" make kernels
  run_table kernels
}
