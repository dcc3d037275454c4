/* libjpeg reports an error by a callback that must not return; here it jumps back to decode(). */
#include "codec.h"
#include "complain.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jerror.h>
#include <jpeglib.h>

typedef struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf failed;
    const char *name;
    pixels *out;
} decoder;

static void on_error(j_common_ptr jpeg)
{
    decoder *d = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    complain("%s: %s", d->name, text);
    longjmp(d->failed, 1);
}

/* Warnings are printed; one that says that the file is cut is an error. */
static void on_message(j_common_ptr jpeg, int level)
{
    decoder *d = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    if (level >= 0)
        return;
    if (jpeg->err->msg_code == JWRN_JPEG_EOF)
        on_error(jpeg);
    jpeg->err->format_message(jpeg, text);
    if (jpeg->err->num_warnings++ == 0)
        complain("%s: warning: %s", d->name, text);
}

static void read_rows(decoder *d)
{
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = d->out->bytes + (size_t)jpeg->output_scanline * d->out->width * 3;
        jpeg_read_scanlines(jpeg, &row, 1);
    }
}

static bool decode(decoder *d, const uint8_t *file, size_t size)
{
    struct jpeg_decompress_struct *jpeg = &d->jpeg;
    if (setjmp(d->failed))
        return false;
    jpeg_mem_src(jpeg, file, (unsigned long)size);
    jpeg_read_header(jpeg, TRUE);
    jpeg->out_color_space = JCS_RGB;
    if (!pixels_create(d->name, jpeg->image_width, jpeg->image_height, d->out))
        return false;
    jpeg_start_decompress(jpeg);
    read_rows(d);
    jpeg_finish_decompress(jpeg);
    return true;
}

bool jpeg_decode(const char *name, const uint8_t *file, size_t size, pixels *out)
{
    decoder d = {.name = name, .out = out};
    d.jpeg.err = jpeg_std_error(&d.errors);
    d.jpeg.client_data = &d;
    d.errors.error_exit = on_error;
    d.errors.emit_message = on_message;
    if (setjmp(d.failed))
        return false;
    jpeg_create_decompress(&d.jpeg);
    const bool done = decode(&d, file, size);
    jpeg_destroy_decompress(&d.jpeg);
    return done;
}
