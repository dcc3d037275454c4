/* The version of the library, stated here alone; the build reads it from this file. */
#ifndef FOVEA_VERSION_H
#define FOVEA_VERSION_H

#define FOVEA_VERSION_MAJOR  0
#define FOVEA_VERSION_MINOR  1
#define FOVEA_VERSION_PATCH  0
#define FOVEA_VERSION_STRING "0.1.0"

#endif
