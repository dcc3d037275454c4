#!/bin/sh
# matrix_spirv.sh FOLDER: writes the SPIR-V of the modules of the matrix tier, each with the hash of its text, for builds
# with -Dmatrix_spirv=FOLDER on machines whose glslang is too old for them: with this machine's tools where they can, else
# with those of a Debian sid chroot (/opt/fovea-sid, made where it is missing, and kept). The chroot needs root.
# Whoever changes a kernel text of that tier runs it again: a build refuses files made from other texts.
# Exit: 0 done, 1 it could not be done, 2 bad usage.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/common.sh"

[ $# -eq 1 ] || {
  complain "usage: matrix_spirv.sh FOLDER"
  exit 2
}
mkdir -p "$1"
folder=$(cd "$1" && pwd)

# embed FOLDER COMMAND...: writes the modules with the tools that COMMAND runs.
embed() {
  target=$1
  shift
  "$@" python3 tools/embed_shaders.py spirv "$target" --glslang glslangValidator --spirv-val spirv-val
}

cd "$root"
if command -v glslangValidator >/dev/null && command -v spirv-val >/dev/null && embed "$folder" 2>/dev/null; then
  exit 0
fi

say "This machine's glslang or spirv-val is too old; taking those of Debian sid."
sh tools/chroot.sh fovea-sid sid python3 glslang-tools spirv-tools >/dev/null
inside=/opt/fovea-sid/root/matrix-spirv
rm -rf "$inside"
mkdir -p "$inside/tools"
cp tools/embed_shaders.py "$inside/tools/"
cp -R shaders "$inside/"
embed /root/matrix-spirv/made sh tools/in-chroot.sh fovea-sid /root/matrix-spirv >/dev/null
cp "$inside"/made/* "$folder/"
rm -rf "$inside"
say "$(find "$folder" -name '*.spv' | wc -l) modules in $folder"
