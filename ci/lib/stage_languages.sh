# The interfaces of other languages than C and Swift, over the staged library: a file of functions each. After
# `release`; the stages `jobs` and `install` run their examples.
for file in ci/lib/languages/*.sh; do source "$file"; done

stage_languages() {
  languages_cpp
  languages_fortran
}
