# common.sh: what the scripts of this folder share. Sourced, not run; the caller has set `root` to the source tree.

say() {
  printf '%s\n' "$*"
}

# complain TEXT...: to stderr, under the name of the script that runs.
complain() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# The folder for what setup.sh unpacks and never installs.
cache_folder() {
  if [ -n "${XDG_CACHE_HOME:-}" ]; then
    printf '%s/fovea\n' "$XDG_CACHE_HOME"
  elif [ -n "${HOME:-}" ] && [ -w "$HOME" ]; then
    printf '%s/.cache/fovea\n' "$HOME"
  else
    printf '%s/build/cache\n' "$root"
  fi
}

# Driver manifests of the two software Vulkan drivers; empty where there is none.
lavapipe_icd() {
  for icd in /usr/share/vulkan/icd.d/lvp_icd*.json; do
    if [ -r "$icd" ]; then
      printf '%s\n' "$icd"
      return
    fi
  done
}

swiftshader_icd() {
  icd=$(cache_folder)/swiftshader/vk_swiftshader_icd.json
  [ ! -r "$icd" ] || printf '%s\n' "$icd"
}

# The photograph of the demo.
photograph() {
  printf '%s\n' /usr/share/matplotlib/mpl-data/sample_data/grace_hopper.jpg
}

# configure FOLDER [OPTION...]: meson setup, or the same again with what has been installed since.
configure() {
  folder=$1
  shift
  if [ -f "$folder/build.ninja" ]; then
    meson setup --reconfigure "$@" "$folder" "$root"
  else
    meson setup "$@" "$folder" "$root"
  fi
}

# test_names FOLDER SETUP: the names of the tests of a build folder, one a line.
test_names() {
  meson test -C "$1" --no-rebuild --list --setup "$2" 2>/dev/null | sed -n 's:^.* / ::p'
}

# host_tests FOLDER SETUP: those that need no driver and look at code, not at the tree: CPU, emulator, units.
host_tests() {
  test_names "$1" "$2" | grep -E '(^| )(cpu|emulator)|^(malloc|modules|entries|matrices)$' | grep -v 'cpu\.'
}

# elapsed START: minutes and seconds since `date +%s` was START.
elapsed() {
  seconds=$(($(date +%s) - $1))
  if [ "$seconds" -lt 60 ]; then
    printf '%d s\n' "$seconds"
  else
    printf '%d min %d s\n' $((seconds / 60)) $((seconds % 60))
  fi
}
