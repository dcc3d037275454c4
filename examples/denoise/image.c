#include "image.h"

#include "codec.h"
#include "complain.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)1 << 30)

bool image_create(uint32_t width, uint32_t height, image *out)
{
    const uint64_t count = (uint64_t)width * height;
    *out = (image){width, height, NULL};
    if (count <= SIZE_MAX / (IMAGE_CHANNELS * sizeof(float)))
        out->samples = malloc((size_t)count * IMAGE_CHANNELS * sizeof(float));
    return out->samples != NULL;
}

void image_destroy(image *picture)
{
    free(picture->samples);
    *picture = (image){0};
}

/* The whole file at `path`, at most FILE_MAX bytes. NULL: the reason is printed. */
static uint8_t *read_file(const char *path, size_t *out_size)
{
    FILE *stream = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t size = 0, room = 0;
    if (!stream) {
        complain("cannot open %s: %s", path, strerror(errno));
        return NULL;
    }
    while (!feof(stream) && !ferror(stream) && size < FILE_MAX) {
        room = room ? 2 * room : 65536;
        uint8_t *grown = realloc(bytes, room);
        if (!grown)
            break;
        bytes = grown;
        size += fread(bytes + size, 1, room - size, stream);
    }
    const bool done = feof(stream) && !ferror(stream);
    const char *reason = ferror(stream) ? strerror(errno) : "larger than memory or 1 GiB";
    fclose(stream);
    if (!done) {
        complain("cannot read %s: %s", path, reason);
        free(bytes);
        return NULL;
    }
    *out_size = size;
    return bytes;
}

/* Bytes to samples. */
static bool from_pixels(const char *path, const pixels *decoded, image *out)
{
    if (!image_create(decoded->width, decoded->height, out))
        return complain("%s: no memory for %u x %u pixels", path, (unsigned)decoded->width, (unsigned)decoded->height);
    const size_t count = (size_t)decoded->width * decoded->height * IMAGE_CHANNELS;
    for (size_t i = 0; i < count; i++)
        out->samples[i] = (float)decoded->bytes[i] / 255.0f;
    return true;
}

bool image_read(const char *path, image *out)
{
    static const uint8_t png_magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    static const uint8_t jpeg_magic[3] = {0xff, 0xd8, 0xff};
    size_t size = 0;
    *out = (image){0};
    uint8_t *file = read_file(path, &size);
    if (!file)
        return false;
    pixels decoded = {0};
    bool done;
    if (size >= sizeof png_magic && !memcmp(file, png_magic, sizeof png_magic))
        done = png_decode(path, file, size, &decoded);
    else if (size >= sizeof jpeg_magic && !memcmp(file, jpeg_magic, sizeof jpeg_magic))
        done = jpeg_decode(path, file, size, &decoded);
    else
        done = complain("%s: neither a PNG nor a JPEG file", path);
    free(file);
    done = done && from_pixels(path, &decoded, out);
    free(decoded.bytes);
    return done;
}

float image_quantize(float sample)
{
    const float inside = sample > 0.0f ? sample < 1.0f ? sample : 1.0f : 0.0f;
    return floorf(inside * 255.0f + 0.5f) / 255.0f;
}

static bool to_pixels(const image *picture, pixels *out)
{
    const size_t count = (size_t)picture->width * picture->height * IMAGE_CHANNELS;
    *out = (pixels){picture->width, picture->height, malloc(count)};
    for (size_t i = 0; out->bytes && i < count; i++)
        out->bytes[i] = (uint8_t)(image_quantize(picture->samples[i]) * 255.0f + 0.5f);
    return out->bytes != NULL;
}

bool image_check_output(const char *path)
{
    char directory[PATH_MAX] = ".";
    struct stat status;
    const char *slash = strrchr(path, '/');
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return complain("cannot write %s: %s", path, strerror(EISDIR));
    if (slash && (size_t)(slash - path) + 2 > sizeof directory)
        return complain("cannot write %s: %s", path, strerror(ENAMETOOLONG));
    if (slash)
        snprintf(directory, sizeof directory, "%.*s", (int)(slash - path) + 1, path);
    if (!path[0] || access(directory, W_OK) != 0)
        return complain("cannot write %s: %s", path, strerror(path[0] ? errno : ENOENT));
    return true;
}

static bool write_bytes(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *stream = fopen(path, "wb");
    const bool written = stream && fwrite(bytes, 1, size, stream) == size;
    const int reason = errno;
    const bool closed = stream && fclose(stream) == 0;
    if (written && closed)
        return true;
    errno = written ? errno : reason;
    return false;
}

/* Under another name first, where the file is to be an ordinary one; a device or a pipe is written in place.
 */
static bool write_file(const char *path, const uint8_t *bytes, size_t size)
{
    char temporary[PATH_MAX];
    struct stat status;
    const bool in_place = stat(path, &status) == 0 && !S_ISREG(status.st_mode);
    const char *name = in_place ? path : temporary;
    if (snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid()) >= (int)sizeof temporary)
        return complain("cannot write %s: %s", path, strerror(ENAMETOOLONG));
    if (write_bytes(name, bytes, size) && (in_place || rename(temporary, path) == 0))
        return true;
    complain("cannot write %s: %s", path, strerror(errno));
    if (!in_place)
        remove(temporary);
    return false;
}

bool image_write(const char *path, const image *picture)
{
    pixels raw;
    uint8_t *file = NULL;
    size_t size = 0;
    if (!to_pixels(picture, &raw))
        return complain("cannot write %s: out of memory", path);
    const bool done = png_encode(path, &raw, &file, &size) && write_file(path, file, size);
    free(raw.bytes);
    free(file);
    return done;
}

bool image_crop(image *picture, uint32_t width, const char *path)
{
    image crop;
    if (width > picture->width || width > picture->height)
        return complain("%s: %u x %u pixels, smaller than the crop of %u x %u", path, (unsigned)picture->width,
                        (unsigned)picture->height, (unsigned)width, (unsigned)width);
    if (!image_create(width, width, &crop))
        return complain("%s: no memory for the crop", path);
    const size_t left = (picture->width - width) / 2, top = (picture->height - width) / 2;
    for (size_t y = 0; y < width; y++) {
        const float *row = picture->samples + ((top + y) * picture->width + left) * IMAGE_CHANNELS;
        memcpy(crop.samples + y * width * IMAGE_CHANNELS, row, width * IMAGE_CHANNELS * sizeof(float));
    }
    image_destroy(picture);
    *picture = crop;
    return true;
}
