stage_format() {
  check "Swift sources are formatted" swift format lint -r -s Package.swift Sources Tests
}
