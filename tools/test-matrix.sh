#!/bin/sh
# test-matrix.sh [--full] [--chroot NAME] [--prepare]: the tests of the matrix tier, on a driver that has matrices without
# a GPU: the lavapipe of Debian sid. Makes or reuses the chroot /opt/NAME (fovea-sid), copies this tree into it, builds
# there and runs the suite `matrix`, with the modules' own test. Needs root.
#   (default)  a part of the suite that takes minutes; --full: all of it, an hour
#   --prepare  the chroot and its packages alone
# The last line is `N passed, N failed, N skipped`. Exit: 0 all passed or skipped, 1 something failed, 2 bad usage.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/common.sh"

usage() {
  complain "usage: test-matrix.sh [--full] [--chroot NAME] [--prepare]"
  exit 2
}

setup=matrix
name=fovea-sid
what=test
while [ $# -gt 0 ]; do
  case $1 in
    --full) setup=matrixfull ;;
    --prepare) what=prepare ;;
    --chroot)
      [ $# -ge 2 ] || usage
      name=$2
      shift
      ;;
    *) usage ;;
  esac
  shift
done

cd "$root"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# shown LABEL COMMAND...: its output only if it fails.
shown() {
  label=$1
  shift
  start=$(date +%s)
  "$@" >"$log" 2>&1 || {
    tail -n 40 "$log"
    complain "$label failed"
    say "0 passed, 1 failed, 0 skipped"
    exit 1
  }
  say "$label: $(elapsed "$start")"
}

# A package that is there already costs nothing but a look at the mirror's lists.
shown "chroot" sh tools/chroot.sh "$name" sid gcc libc6-dev meson ninja-build pkg-config python3 libxxhash-dev \
  libvulkan-dev libvulkan1 glslang-tools spirv-tools libshaderc-dev mesa-vulkan-drivers vulkan-validationlayers check \
  libspirv-cross-c-shared-dev libjansson-dev
[ "$what" = test ] || exit 0

# The tree as it is, changes included, and a new build: times of files say nothing where the tree before was another one.
place=/opt/$name/root/fovea-matrix
rm -rf "$place"
mkdir -p "$place/source"
tar -cf - --exclude='./build*' --exclude=./.git . | tar -xf - -C "$place/source"

inside() {
  sh tools/in-chroot.sh "$name" /root/fovea-matrix "$@"
}

# shellcheck disable=SC2016 # the chroot's shell expands it
build='
  options="-Dvulkan=enabled -Dtests=enabled -Dshaderc=enabled -Dtools=enabled -Dexamples=disabled -Demulator=disabled"
  meson setup $options build source
  meson compile -C build'
shown "build" inside sh -euc "$build"
inside build/tools/fovea info | sed -n '/^matrix_kernels/p; /^id: vulkan/,/^matrix_features/p'

# shellcheck disable=SC2016
inside env SETUP="$setup" FOVEA_TEST_REQUIRE=lavapipe,matrix,validation sh -uc '
  root=$PWD/source
  . source/tools/common.sh
  export VK_ICD_FILENAMES=$(lavapipe_icd)
  rm -f build/meson-logs/testlog*.json matrix.json modules.json
  meson test -C build --no-rebuild --setup "$SETUP"
  cp "$(find build/meson-logs -name "testlog*.json" | head -n 1)" matrix.json
  meson test -C build --no-rebuild modules
  cp "$(find build/meson-logs -name "testlog*.json" | head -n 1)" modules.json
  python3 source/tools/summary.py --skips matrix=matrix.json modules=modules.json'
