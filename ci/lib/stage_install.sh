# What a site does: install, build programs against what was installed, run them with it, remove it.
# Everything is tried from a directory outside the repository. After `release`.
source ci/lib/install/prefix.sh
source ci/lib/install/programs.sh
source ci/lib/install/package.sh
source ci/lib/install/manual.sh
source ci/lib/install/deb.sh

stage_install() {
  install_prefix_checks
  install_program_checks
  manual_checks
  deb_checks
  package_checks
}
