# Jobs over RDMA, on a Soft-RoCE device: one guest here, two guests in stage_verbs_hosts.sh. The checks are
# lines that the scripts of ci/lib/guest print. After `build`, `release`, `jobs` and `stress`, or by itself:
# what is missing is built.
stage_verbs() {
  build_for_guests .build/debug/MerinoPackageTests.xctest
  tally_stream "over verbs" ci/softroce --timeout 1500 --cpus 2 -- ci/lib/guest/verbs.sh "$PWD/out/verbs"
}
