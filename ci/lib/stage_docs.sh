stage_docs() {
  check "links and marked code in the documents" ci/check-markdown README.md CONTRIBUTING.md docs/*.md
}
