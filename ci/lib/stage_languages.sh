# The interfaces of other languages than C and Swift, over the staged library: a file of functions each. After
# `release`; the stages `jobs` and `install` run their examples.
for file in ci/lib/languages/*.sh; do source "$file"; done

stage_languages() {
  languages_work=$(mktemp -d -t merino-languages.XXXXXX)
  # A stage has a shell of its own.
  trap 'rm -rf "$languages_work"' EXIT
  # What program_checks takes its programs from.
  directory=$languages_work
  local file
  for file in ci/lib/languages/*.sh; do "languages_$(basename "$file" .sh)"; done
}
