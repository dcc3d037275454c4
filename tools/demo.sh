#!/bin/sh
# demo.sh [--crop W] [IMAGE]: Fovea on this machine, from nothing: installs what is missing, builds, lists the devices,
# denoises a photograph (or IMAGE, a PNG or JPEG) by attention on each of them, and measures softmax attention. Debian 12
# and 13. The centre W x W pixels are taken, 192 by default; time grows with the fourth power of W, and on software
# drivers it is minutes.
# Exit: 0 done, 1 a step failed, 2 bad usage or another system.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/common.sh"

usage() {
  complain "usage: demo.sh [--crop W] [IMAGE]"
  exit 2
}

crop=192
if [ "${1:-}" = --crop ]; then
  [ $# -ge 2 ] || usage
  crop=$2
  shift 2
fi
image=''
case ${1:-} in
  -*) usage ;;
  '') ;;
  *)
    [ -r "$1" ] || { complain "cannot read $1"; exit 2; }
    image=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
    ;;
esac
[ $# -le 1 ] || usage

begin=$(date +%s)
cd "$root"

say "== 1 of 5: packages"
sh tools/setup.sh --demo
[ -n "$image" ] || image=$(photograph)

say
say "== 2 of 5: build, into build/"
mkdir -p build/demo
log=build/demo/build.log
{ configure build -Dtools=enabled -Dexamples=enabled && meson compile -C build; } >"$log" 2>&1 || {
  tail -n 40 "$log"
  complain "the build failed; all of its output is in $log"
  exit 1
}
say "Built in $(elapsed "$begin")."

# SwiftShader is not installed: the loader is told of it, beside all drivers that are.
swiftshader=$(swiftshader_icd)
[ -z "$swiftshader" ] || export VK_ADD_DRIVER_FILES="$swiftshader"

say
say "== 3 of 5: devices"
build/tools/fovea info | grep -E '^(id|name|driver|driver_info|tier|limits.shared_memory|limits.workgroup_invocations): |^$'
say
say "More: build/tools/fovea info"
devices=$(build/tools/fovea info --json |
  python3 -c 'import json, sys; print("\n".join(d["id"] for d in json.load(sys.stdin)["devices"]))' |
  grep -v '^cpu:') # cpu:1 and on are the CPU with older instruction sets

say
say "== 4 of 5: $image, denoised"
say "Gaussian noise of sigma 25/255 on the centre $crop x $crop, then non-local means, written as attention of every pixel"
say "to every pixel."
failed=''
for device in $devices; do
  output=build/demo/denoised-$(printf '%s' "$device" | tr -c 'a-z0-9\n' '-').png
  say
  say "$device:"
  start=$(date +%s)
  if timeout 1200 build/examples/denoise --sigma 25/255 --seed 1 --crop "$crop" --device "$device" "$image" "$output"; then
    say "$(elapsed "$start"), $root/$output"
  else
    failed="$failed $device"
  fi
done

say
say "== 5 of 5: speed of softmax attention"
build/examples/speed || failed="$failed speed"

say
if [ -n "$failed" ]; then
  complain "failed:$failed"
  exit 1
fi
say "Done in $(elapsed "$begin"). The pictures are in $root/build/demo/. The tests: sh tools/test.sh"
