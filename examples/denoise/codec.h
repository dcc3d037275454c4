/* File formats in memory: libpng and libjpeg. Every failure is printed with `name`, the file's, and returns
 * false. */
#ifndef DENOISE_CODEC_H
#define DENOISE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 8-bit RGB, rows without gaps. `bytes` is the caller's to free. */
typedef struct pixels {
    uint32_t width, height;
    uint8_t *bytes;
} pixels;

bool png_decode(const char *name, const uint8_t *file, size_t size, pixels *out);
bool png_encode(const char *name, const pixels *picture, uint8_t **out_file, size_t *out_size);
bool jpeg_decode(const char *name, const uint8_t *file, size_t size, pixels *out);

/* Room for width x height pixels. */
bool pixels_create(const char *name, uint64_t width, uint64_t height, pixels *out);

#endif
