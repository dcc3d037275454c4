#!/bin/sh
# setup.sh [--demo | --list]: installs what building, demo and tests need and what is missing, on Debian 12 and 13.
#   --demo   only what tools/demo.sh needs
#   --list   prints the packages, grouped by purpose, and changes nothing
# Needs root or sudo where something is missing. SwiftShader is unpacked into the user's cache, never installed.
# Exit: 0 all there, 1 something could not be installed, 2 another system or bad usage.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/common.sh"

# ---- the packages, by purpose ----------------------------------------------------------------------------------

build="gcc libc6-dev meson ninja-build pkg-config python3 libxxhash-dev"
kernels="libvulkan-dev glslang-tools spirv-tools libshaderc-dev"
programs="libjansson-dev libpng-dev libjpeg62-turbo-dev"
drivers="mesa-vulkan-drivers python-matplotlib-data"
suite="check vulkan-validationlayers libspirv-cross-c-shared-dev python3-numpy libbenchmark-tools python3-scipy"
browser="chromium fonts-dejavu-core"
compilers="g++ clang binutils universal-ctags"
opencl="ocl-icd-opencl-dev opencl-c-headers"
debian_12="oclgrind clang-format-14" # Debian 13 has none of these

groups() {
  printf '%-34s %s\n' "Compiler and build system:" "$build"
  printf '%-34s %s\n' "Vulkan headers, kernel compilers:" "$kernels"
  printf '%-34s %s\n' "Command line and examples:" "$programs"
  printf '%-34s %s\n' "Software driver, photograph:" "$drivers"
  printf '%-34s %s\n' "Tests:" "$suite"
  printf '%-34s %s\n' "Tests of the benchmark page:" "$browser"
  printf '%-34s %s\n' "Tests, other compilers and checks:" "$compilers"
  printf '%-34s %s\n' "Tests, OpenCL reading:" "$opencl"
  printf '%-34s %s\n' "Tests, Debian 12 only:" "$debian_12"
  printf '%-34s %s\n' "Second software driver:" "libvk_swiftshader.so, inside chromium-common; unpacked, not installed"
}

# ---- which system ----------------------------------------------------------------------------------------------

what="test"
case ${1:-} in
  '') ;;
  --demo) what="demo" ;;
  --list) groups; exit 0 ;;
  *) complain "usage: setup.sh [--demo | --list]"; exit 2 ;;
esac

system='' release=''
if [ -r /etc/os-release ]; then
  system=$(. /etc/os-release && printf '%s' "${ID:-}")
  release=$(. /etc/os-release && printf '%s' "${VERSION_ID:-}")
fi
case $system-$release in
  debian-12) ;;
  debian-13) debian_12='' ;;
  *)
    complain "this is ${system:-an unknown system} ${release:-without a version}; the script knows Debian 12 and 13 only."
    {
      echo "Install these, by Debian's names, and then build with"
      echo "    meson setup build && meson compile -C build && meson test -C build"
      echo
      groups
    } >&2
    exit 2
    ;;
esac

wanted="$build $kernels $programs $drivers"
[ "$what" = demo ] || wanted="$wanted $suite $browser $compilers $opencl $debian_12"

# ---- packages --------------------------------------------------------------------------------------------------

missing() {
  for package in $wanted; do
    case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
      installed) ;;
      *) printf '%s ' "$package" ;;
    esac
  done
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

update() {
  say "apt-get update"
  as_root apt-get update -qq
}

# Whether apt knows every package given: not so on a machine whose package lists are empty.
known() {
  for package in "$@"; do
    apt-cache show --no-all-versions "$package" >/dev/null 2>&1 || return 1
  done
}

# What apt and dpkg write is shown only if they fail.
install() {
  log=$(mktemp)
  status=0
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q -o Dpkg::Use-Pty=0 --no-install-recommends "$@" \
    >"$log" 2>&1 </dev/null || status=$?
  [ "$status" -eq 0 ] || tail -n 30 "$log" >&2
  rm -f "$log"
  return "$status"
}

packages=$(missing)
if [ -n "$packages" ]; then
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    complain "these packages are missing, and there is neither root nor sudo to install them: $packages"
    exit 1
  fi
  say "Missing packages, about to be installed with apt-get: $packages"
  # shellcheck disable=SC2086 # a list
  known $packages || update
  # Lists may be older than the mirror: one fresh try.
  # shellcheck disable=SC2086
  install $packages || { update && install $packages; } || {
    complain "apt-get could not install: $packages"
    exit 1
  }
else
  say "All packages are there."
fi

# ---- SwiftShader -----------------------------------------------------------------------------------------------

unpack_swiftshader() {
  target=$(cache_folder)/swiftshader
  work=$target.new.$$
  rm -rf "$work"
  (umask 077 && mkdir -p "$work")
  (
    cd "$work"
    # The download user of apt may not enter an owner-only folder.
    apt-get download -qq -o APT::Sandbox::User=root chromium-common
    dpkg -x chromium-common_*.deb .
  ) || { rm -rf "$work"; return 1; }
  library=$(find "$work" -name libvk_swiftshader.so -type f | head -n 1)
  manifest=$(find "$work" -name vk_swiftshader_icd.json -type f | head -n 1)
  if [ -z "$library" ] || [ -z "$manifest" ]; then
    complain "chromium-common holds no SwiftShader any more"
    rm -rf "$work"
    return 1
  fi
  # The manifest names the library as its neighbour.
  (umask 077 && mkdir "$work/keep" && cp "$library" "$manifest" "$work/keep/")
  rm -rf "$target"
  mv "$work/keep" "$target"
  rm -rf "$work"
}

if [ -z "$(swiftshader_icd)" ]; then
  say "Fetching chromium-common and unpacking SwiftShader into $(cache_folder)/swiftshader"
  known chromium-common || update
  unpack_swiftshader || { update && unpack_swiftshader; } || {
    complain "SwiftShader could not be fetched"
    [ "$what" = demo ] || exit 1
  }
fi
