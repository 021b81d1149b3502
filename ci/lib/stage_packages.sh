stage_packages() {
  ci/install-packages --tests
}
