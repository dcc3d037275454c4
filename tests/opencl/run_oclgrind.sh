#!/bin/sh
# Runs the OpenCL test under Oclgrind with race detection. Its log must stay empty: Oclgrind itself exits with the
# program's status whatever it found.
#
#   run_oclgrind.sh TEST_OPENCL SHADERS
#
# Exit 77 without Oclgrind, unless FOVEA_TEST_REQUIRE names it.
set -eu

if ! command -v oclgrind > /dev/null; then
  echo "no oclgrind"
  case ",${FOVEA_TEST_REQUIRE:-}," in *,oclgrind,*) exit 1 ;; esac
  exit 77
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
oclgrind --data-races --log "$log" "$1" "$2" || status=$?
if [ -s "$log" ]; then
  echo "Oclgrind found:"
  head -n 60 "$log"
  exit 1
fi
exit $status
