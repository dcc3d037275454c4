#!/bin/sh
# Prints the version that include/fovea/version.h states.
sed -n 's/^#define FOVEA_VERSION_STRING "\(.*\)"$/\1/p' "$(dirname "$0")/../include/fovea/version.h"
