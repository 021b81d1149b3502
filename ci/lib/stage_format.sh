stage_format() {
  check "Swift sources are formatted" swift format lint -r -s Package.swift Sources Tests
  check "no line has more than 110 columns" ci/check-columns
  check "every imported target is a declared dependency" ci/check-dependencies
}
