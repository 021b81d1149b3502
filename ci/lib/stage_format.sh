stage_format() {
  check "Swift sources are formatted" swift format lint -r -s Package.swift Sources Tests
  check "every imported target is a declared dependency" ci/check-dependencies
}
