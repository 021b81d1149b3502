# Where things go: the options that `install` and `uninstall` have in common.

# read_places OPTION...: sets out, destdir, prefix, libdir, tools and manifest.
read_places() {
  out='' destdir='' prefix='' libdir=lib tools=()
  while [ $# -gt 0 ]; do
    case $1 in
      --out) out=$2 ;;
      --destdir) destdir=${2%/} ;;
      --prefix) prefix=${2%/} ;;
      --libdir) libdir=${2%/} ;;
      *)
        tools=("$@")
        break
        ;;
    esac
    shift 2
  done
  case $prefix in
    /*) ;;
    *)
      echo "PREFIX is \"$prefix\"; it must be an absolute path such as /opt/merino (not /)" >&2
      exit 2
      ;;
  esac
  case $libdir in
    '' | /* | *..*)
      echo "LIBDIR is \"$libdir\"; it is relative to PREFIX, such as lib64 or lib/x86_64-linux-gnu" >&2
      exit 2
      ;;
  esac
  case $prefix$libdir$destdir in
    *[[:space:]\|\&\\]*)
      echo "PREFIX, LIBDIR and DESTDIR must not have spaces, |, & or \\ in them: pkg-config and modules would not find them" >&2
      exit 2
      ;;
  esac
  manifest=$prefix/share/merino/install-manifest
}
