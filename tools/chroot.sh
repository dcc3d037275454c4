#!/bin/sh
# chroot.sh [--fresh] NAME SUITE [PACKAGE...]: a Debian chroot under /opt/NAME, from the mirror and with the settings
# that this machine's apt uses; bare where no package is named. --fresh removes an older one first. Needs root.
# chroot.sh --remove NAME: unmounts all that is mounted below it, checks, and deletes it. Never delete one by hand:
# /dev and folders of this machine are mounted inside.
set -eu

usage() {
  echo "usage: chroot.sh [--fresh] NAME SUITE [PACKAGE...] | --remove NAME" >&2
  exit 2
}

# mounts FOLDER: mount points below it, deepest first.
mounts() {
  awk -v r="$1/" 'index($2, r) == 1 {print $2}' /proc/self/mounts | sort -r
}

remove() {
  root=/opt/$1
  [ -d "$root" ] || return 0
  mounts "$root" | while read -r m; do
    umount "$m" || umount -l "$m" || true
  done
  if [ -n "$(mounts "$root")" ]; then
    echo "chroot.sh: something is still mounted below $root; nothing deleted" >&2
    exit 1
  fi
  rm -rf --one-file-system "$root"
}

check_name() {
  case $1 in
    '' | -* | .* | */*) usage ;;
  esac
}

fresh=no
case ${1:-} in
  --remove)
    check_name "${2:-}"
    remove "$2"
    exit 0
    ;;
  --fresh)
    fresh=yes
    shift
    ;;
esac
[ $# -ge 2 ] || usage
name=$1 suite=$2
shift 2
check_name "$name"
[ "$fresh" = no ] || remove "$name"

root=/opt/$name
if [ ! -x "$root/usr/bin/apt-get" ]; then
  mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)
  [ -n "$mirror" ] || mirror=$(awk '$1 == "deb" {sub(/\[[^]]*\] */, ""); print $2; exit}' /etc/apt/sources.list)
  command -v debootstrap >/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap
  }
  debootstrap --variant=minbase "$suite" "$root" "$mirror"
  cp -r /etc/apt/apt.conf.d "$root/etc/apt/"
  cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
fi
for m in proc sys dev; do
  mountpoint -q "$root/$m" || {
    mount --rbind "/$m" "$root/$m"
    mount --make-rslave "$root/$m"
  }
done
[ $# -eq 0 ] || {
  chroot "$root" apt-get update -qq
  chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}
