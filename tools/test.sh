#!/bin/sh
# test.sh [--full]: installs what is missing, builds, and runs the test suite on every software driver: the CPU backend,
# the emulator, lavapipe and SwiftShader. A missing driver is a failure. Debian 12 and 13.
#   (default)  the quick set, and its CPU and emulator tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   --full     everything, and with it a build without the run-time compiler and a build with clang, warnings being errors
# The last line is `N passed, N failed, N skipped`. Exit: 0 all passed or skipped, 1 something failed, 2 bad usage or
# another system.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/common.sh"

case ${1:-} in
  '') set_name=quick ;;
  --full) set_name=full ;;
  *) complain "usage: test.sh [--full]"; exit 2 ;;
esac

begin=$(date +%s)
sh "$root/tools/setup.sh"
cd "$root"

# ---- drivers ---------------------------------------------------------------------------------------------------

VK_ICD_FILENAMES=$(lavapipe_icd):$(swiftshader_icd)
FOVEA_TEST_REQUIRE=lavapipe,swiftshader,benchmark,chromium
if command -v oclgrind >/dev/null; then
  FOVEA_TEST_REQUIRE=$FOVEA_TEST_REQUIRE,oclgrind
fi
export VK_ICD_FILENAMES FOVEA_TEST_REQUIRE
unset VK_DRIVER_FILES VK_ADD_DRIVER_FILES VK_INSTANCE_LAYERS VK_LOADER_DRIVERS_SELECT || true

# ---- parts -----------------------------------------------------------------------------------------------------

logs='' # LABEL=FILE of every part, for summary.py

# plain LABEL: as a part of a file's name.
plain() {
  printf 'part-%s' "$1" | tr -c 'a-z0-9' '-'
}

# check LABEL COMMAND...: one step that is no meson test, such as a build. Counts as one test.
check() {
  label=$1
  shift
  start=$(date +%s)
  file=build/$(plain "$label").txt
  say "== $label"
  if "$@" >"$file.log" 2>&1; then
    echo "1 passed, 0 failed, 0 skipped" >"$file"
  else
    tail -n 40 "$file.log"
    echo "0 passed, 1 failed, 0 skipped" >"$file"
  fi
  logs="$logs $(printf '%s' "$label" | tr ' ' '_')=$file"
  say "   $(elapsed "$start")"
  grep -q '^1 passed' "$file"
}

# build FOLDER [OPTION...]: configures and compiles.
build() {
  configure "$@" && meson compile -C "$1"
}

build_with_clang() (
  export CC=clang CXX=clang++
  build "$@"
)

# suites LABEL FOLDER [ARGUMENT...]: runs meson tests of a build folder.
suites() {
  label=$1 folder=$2
  shift 2
  start=$(date +%s)
  say "== $label"
  rm -f "$folder"/meson-logs/testlog*.json
  meson test -C "$folder" --no-rebuild "$@" || true
  file=build/$(plain "$label").json # the next part of this folder overwrites meson's own
  cp "$(find "$folder/meson-logs" -name 'testlog*.json' | head -n 1)" "$file" || rm -f "$file"
  logs="$logs $(printf '%s' "$label" | tr ' ' '_')=$file"
  say "   $(elapsed "$start")"
}

# named LABEL FOLDER SETUP: those tests whose names come on standard input.
named() {
  label=$1 folder=$2 setup=$3
  set --
  while read -r name; do
    set -- "$@" "$name"
  done
  [ $# -gt 0 ] || {
    complain "$label: no such tests"
    set -- "no-such-test"
  }
  suites "$label" "$folder" --setup "$setup" "$@"
}

# suites_on_host LABEL FOLDER SETUP: those of host_tests, without any Vulkan driver: drivers leak, and are not ours.
suites_on_host() {
  drivers=$VK_ICD_FILENAMES
  VK_ICD_FILENAMES=/nonexistent
  host_tests "$2" "$3" >"$2/names.txt" || true
  named "$@" <"$2/names.txt"
  VK_ICD_FILENAMES=$drivers
}

# suites_on_lavapipe LABEL FOLDER SETUP: the Vulkan backend's own code. The driver's leaks are not looked for.
suites_on_lavapipe() {
  options=$ASAN_OPTIONS
  ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
  test_names "$2" "$3" | grep -E '^(api|backend) lavapipe' | grep -v 'validation=\|validated\|validation [12]' >"$2/names.txt" || true
  named "$@" <"$2/names.txt"
  ASAN_OPTIONS=$options
}

# The library as another project finds it.
link_by_pkg_config() (
  stage=$root/build/stage
  rm -rf "$stage"
  meson install -C build --no-rebuild --quiet --destdir "$stage" || exit 1
  PKG_CONFIG_PATH=$(dirname "$(find "$stage" -name fovea.pc)")
  PKG_CONFIG_SYSROOT_DIR=$stage
  LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
  export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH
  # shellcheck disable=SC2046 # flags
  cc -std=c11 examples/first.c -o "$stage/first" $(pkg-config --cflags --libs fovea) && "$stage/first"
)

mkdir -p build
sanitizers="-Db_sanitize=address,undefined -Dbuildtype=debugoptimized"
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:strict_string_checks=1:allocator_may_return_null=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}"

if check "build" build build -Dauto_features=enabled; then
  suites "$set_name set" build --setup "$set_name"
  check "install and pkg-config" link_by_pkg_config || true
fi
check "readme tables" python3 tools/readme.py --check || true

# shellcheck disable=SC2086 # options
if check "build with sanitizers" build build-asan -Dauto_features=enabled $sanitizers; then
  suites_on_host "sanitized, host" build-asan "$set_name"
  [ "$set_name" = quick ] || suites_on_lavapipe "sanitized, lavapipe" build-asan full
fi

if [ "$set_name" = full ]; then
  if check "build without shaderc" build build-noshaderc -Dauto_features=enabled -Dshaderc=disabled -Dwerror=true; then
    suites "without shaderc" build-noshaderc --setup quick
  fi
  if check "build with clang" build_with_clang build-clang -Dauto_features=enabled -Dwerror=true; then
    suites_on_host "with clang" build-clang quick
  fi
fi

# ---- result ----------------------------------------------------------------------------------------------------

say "Time: $(elapsed "$begin")"
# shellcheck disable=SC2086 # a list
python3 tools/summary.py --skips $logs
