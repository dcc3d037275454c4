/* Images: 8-bit RGB out of PNG and JPEG files, into PNG files. */
#ifndef DENOISE_IMAGE_H
#define DENOISE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_CHANNELS 3

typedef struct image {
    uint32_t width, height;
    float *samples; /* [height][width][3], 0 to 1, but for added noise */
} image;

/* Room for an image, contents undefined. False: no memory. */
bool image_create(uint32_t width, uint32_t height, image *out);
void image_destroy(image *picture);

/* Reads a PNG or JPEG file; the magic bytes tell which. False: the reason is printed. */
bool image_read(const char *path, image *out);

/* Writes a PNG file: samples clamped and rounded to 8 bits. The file appears whole or not at all.
 * False: the reason is printed. */
bool image_write(const char *path, const image *picture);

/* Says early whether image_write could put a file there. False: the reason is printed. */
bool image_check_output(const char *path);

/* Keeps the centre `width` x `width`. False: it is smaller, or no memory; the reason is printed. */
bool image_crop(image *picture, uint32_t width, const char *path);

/* A sample as it is written: clamped and rounded to a multiple of 1 / 255. */
float image_quantize(float sample);

#endif
