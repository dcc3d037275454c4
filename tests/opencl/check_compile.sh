#!/bin/sh
# Compiles the OpenCL C reading of every portable module of shaders/modules.txt, in several variants of its
# constants, and of the dialect's own test kernel. Any diagnostic fails.
#
#   check_compile.sh SHADERS TESTS_EMU
#
# Exit 77 without clang, unless FOVEA_TEST_REQUIRE names oclgrind.
set -eu
shaders=$1
words=$2

if ! command -v clang > /dev/null; then
  echo "no clang"
  case ",${FOVEA_TEST_REQUIRE:-}," in *,oclgrind,*) exit 1 ;; esac
  exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compiled=0
failed=0

# compile TEXT OPTIONS...
compile() {
  text=$1
  shift
  printf '#include "preludes/opencl.h"\n#include "%s"\n' "$text" > "$work/module.cl"
  status=0
  clang -x cl -cl-std=CL1.2 -Xclang -finclude-default-header -fsyntax-only -Wall -Wextra -Wno-unused-parameter \
    -I"$shaders" -I"$words" "$@" "$work/module.cl" > "$work/log" 2>&1 || status=$?
  compiled=$((compiled + 1))
  if [ $status -ne 0 ] || [ -s "$work/log" ]; then
    failed=$((failed + 1))
    echo "$text with $*:"
    cat "$work/log"
  fi
}

# Constants of all kernels, by name: a small tile, and what each variant says.
#   constants TM TN TV Q K V O WIDE CAUSAL LSE DIM LEFT CAP
constants() {
  echo "-DLANE_ROWS=4u -DLANE_COLS=8u -DTM=$1 -DTN=$2 -DTV=$3 -DCHUNK=16u -DDIM_QK=${11} -DDIM_V=${11}" \
    "-DQ_DTYPE=$4 -DK_DTYPE=$5 -DV_DTYPE=$6 -DO_DTYPE=$7 -DQ_WIDE=$8 -DK_WIDE=$8 -DV_WIDE=$8 -DO_WORDS=$8" \
    "-DCAUSAL=$9 -DLEFT=${12} -DRIGHT=0u -DCAP=${13} -DLSE=${10} -DSUBGROUP=0u -DSUMS=1u -DGROUP_LANES=64u -DDTYPE=$5" \
    "-DA_DTYPE=$4 -DB_DTYPE=$5 -DA_WIDE=$8 -DB_WIDE=$8 -DOFFSETS=$9"
}

# variants TEXT TM TN TV DEFINES
variants() {
  while read -r variant; do
    # shellcheck disable=SC2046,SC2086 # lists of options
    compile "$1.comp" $5 $(constants "$2" "$3" "$4" $variant)
  done <<END
0u 0u 0u 0u 1u 0u 1u 64u 0xffffffffu 0u
0u 1u 1u 1u 0u 1u 1u 63u 5u 0x41200000u
2u 2u 2u 2u 1u 1u 0u 8u 0xffffffffu 0x41200000u
1u 1u 2u 0u 0u 0u 0u 1u 7u 0u
END
}

while read -r kernel tier shapes; do
  [ "$tier" = portable ] || continue
  for shape in $shapes; do
    if [ "$shape" = - ]; then
      variants "$kernel" 4u 4u 4u ""
      continue
    fi
    m=${shape%%x*}
    rest=${shape#*x}
    n=${rest%%x*}
    v=${rest#*x}
    variants "$kernel" "${m}u" "${n}u" "${v}u" "-DMICRO_M=${m}u -DMICRO_N=${n}u -DMICRO_V=${v}u"
  done
done <<END
$(grep -v '^#' "$shaders/modules.txt")
END
compile words.comp -DLANES=16u -DROWS=2u -DSUBGROUP=0u

echo "$compiled compiled, $failed failed"
[ $failed -eq 0 ] && [ $compiled -gt 1 ]
