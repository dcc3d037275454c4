#!/bin/sh
# format.sh [--check]: formats the C sources as .clang-format says; with --check it changes nothing and lists the files
# that differ. Kernel texts are left alone: their macro dialect is no C that clang-format knows; so are lists of macros.
# CLANG_FORMAT names the program. Its versions differ in details; version 14's say is final.
# Exit: 0 done or nothing differs, 1 something differs, 2 bad usage or no clang-format.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/common.sh"

check=no
case ${1:-} in
  '') ;;
  --check) check=yes ;;
  *) complain "usage: format.sh [--check]"; exit 2 ;;
esac
program=${CLANG_FORMAT:-$(command -v clang-format-14 || echo clang-format)}
command -v "$program" >/dev/null || { complain "there is no clang-format (package clang-format)"; exit 2; }

cd "$root"
differ=0
for file in $(find include src backends tests examples bench tools -name '*.[ch]' ! -name vkfuncs.h | LC_ALL=C sort); do
  if [ "$check" = no ]; then
    "$program" -i "$file"
  elif ! "$program" --dry-run --Werror "$file" >/dev/null 2>&1; then
    say "$file"
    differ=$((differ + 1))
  fi
done
[ "$differ" -eq 0 ] || { complain "$differ files are not formatted"; exit 1; }
