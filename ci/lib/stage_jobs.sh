# Jobs of several processes: every example on one, two, four and more nodes than cores, its result checked by
# itself, and the programs in the documents. After `release`.
stage_jobs() {
  check "the examples are built" make examples
  run_table jobs
  check "the programs in the documents" ci/check-markdown --run README.md CONTRIBUTING.md docs/*.md
}
