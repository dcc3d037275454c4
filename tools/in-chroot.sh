#!/bin/sh
# in-chroot.sh NAME FOLDER COMMAND...: runs COMMAND in FOLDER of the chroot /opt/NAME, as root of a fresh machine: with
# no environment but the proxies of this one. Mounts nothing; FOLDER is a folder of the chroot.
set -eu
[ $# -ge 3 ] || {
  echo "usage: in-chroot.sh NAME FOLDER COMMAND..." >&2
  exit 2
}
root=/opt/$1 folder=$2
shift 2
for name in http_proxy https_proxy no_proxy; do
  eval "value=\${$name:-}"
  [ -z "$value" ] || set -- "$name=$value" "$@"
done
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
  chroot "$root" env -C "$folder" "$@"
