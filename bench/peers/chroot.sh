#!/bin/sh
# chroot.sh [NAME [SUITE]]: a Debian chroot /opt/NAME ("peers") of SUITE ("sid") with the peers' packages, and this tree
# in its /srv/fovea, built. Again: brings tree and build up to date. JOBS: jobs of the build. Needs root.
# Then: bench/peers/peers.py --chroot NAME. Remove it with tools/chroot.sh --remove NAME.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
name=${1:-peers} suite=${2:-sid}

peers="python3-torch python3-numpy libopenblas0-openmp libdnnl-dev libggml-dev libggml0-backend-vulkan llama.cpp-tests"
build="gcc libc6-dev meson ninja-build pkg-config python3 libxxhash-dev libvulkan-dev glslang-tools spirv-tools"
drivers="mesa-vulkan-drivers vulkan-tools"
# shellcheck disable=SC2086 # lists
sh "$root/tools/chroot.sh" "$name" "$suite" $peers $build $drivers

tree=/opt/$name/srv/fovea
mkdir -p "$tree"
find "$tree" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
cd "$root"
git ls-files -co --exclude-standard | tar -c --ignore-failed-read -T - | tar -x -C "$tree"

inside() {
  sh tools/in-chroot.sh "$name" /srv/fovea "$@"
}
[ -f "$tree/build/build.ninja" ] || inside meson setup build -Dtests=disabled -Dexamples=disabled -Dtools=disabled
inside ninja -C build -j "${JOBS:-$(nproc)}"
