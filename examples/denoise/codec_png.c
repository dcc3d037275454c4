#include "codec.h"
#include "complain.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

#define PIXELS_MAX ((uint64_t)1 << 28)

bool pixels_create(const char *name, uint64_t width, uint64_t height, pixels *out)
{
    *out = (pixels){0};
    if (!width || !height || width > PIXELS_MAX || height > PIXELS_MAX / width)
        return complain("%s: %llu x %llu pixels; the most is %llu in all", name, (unsigned long long)width,
                        (unsigned long long)height, (unsigned long long)PIXELS_MAX);
    out->bytes = malloc((size_t)(width * height * 3));
    if (!out->bytes)
        return complain("%s: no memory for %llu x %llu pixels", name, (unsigned long long)width,
                        (unsigned long long)height);
    out->width = (uint32_t)width;
    out->height = (uint32_t)height;
    return true;
}

bool png_decode(const char *name, const uint8_t *file, size_t size, pixels *out)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    const png_color white = {255, 255, 255}; /* under transparent pixels */
    bool done = png_image_begin_read_from_memory(&png, file, size) != 0;
    if (!done)
        complain("%s: %s", name, png.message);
    png.format = PNG_FORMAT_RGB;
    done = done && pixels_create(name, png.width, png.height, out);
    if (done && !png_image_finish_read(&png, &white, out->bytes, 0, NULL))
        done = complain("%s: %s", name, png.message);
    png_image_free(&png);
    return done;
}

bool png_encode(const char *name, const pixels *picture, uint8_t **out_file, size_t *out_size)
{
    png_image png = {
        .version = PNG_IMAGE_VERSION,
        .width = picture->width,
        .height = picture->height,
        .format = PNG_FORMAT_RGB,
    };
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
    uint8_t *file = malloc(size);
    *out_file = NULL;
    if (!file)
        return complain("%s: no memory for the PNG file", name);
    if (!png_image_write_to_memory(&png, file, &size, 0, picture->bytes, 0, NULL)) {
        free(file);
        return complain("%s: %s", name, png.message);
    }
    *out_file = file;
    *out_size = size;
    return true;
}
