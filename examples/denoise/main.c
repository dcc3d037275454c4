/* Denoises a photograph: reads PNG or JPEG, runs non-local means as attention (nlm.c), writes PNG. */
#include "complain.h"
#include "nlm.h"
#include "noise.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS         255.0 /* full scale of an 8-bit sample */
#define STRENGTH_RATIO 0.72  /* default of --h over sigma: the best on photographs at sigma 25 */
#define SIGMA_LEAST    0.5   /* levels: what rounding to 8 bits leaves in any image */
#define PATCH_MOST     15

typedef struct options {
    double sigma; /* levels; 0: add no noise */
    double h;     /* levels; 0: by sigma */
    uint64_t seed;
    uint32_t crop; /* 0: the whole image */
    uint32_t patch;
    const char *reference, *device, *in, *out;
} options;

bool complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("denoise: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return false;
}

static void print_help(FILE *file)
{
    fprintf(file,
            "Usage: denoise [option ...] IN OUT\n"
            "\n"
            "Denoises IN, a PNG or JPEG file, by non-local means, written as softmax attention of every pixel\n"
            "to every pixel. OUT is a PNG file.\n"
            "\n"
            "  --sigma S          add Gaussian noise of this deviation first: levels of 0 to 255, as 25, or a\n"
            "                     fraction of full scale, as 25/255 (default 0: none)\n"
            "  --seed N           of the noise (default 1)\n"
            "  --reference CLEAN  the image without noise, of IN's size, for PSNR\n"
            "  --crop W           the centre W x W pixels alone\n"
            "  --device ID        such as cpu (the default) or vulkan:0\n"
            "  --h H              strength, written as sigma is: how far samples of like patches may differ\n"
            "                     (default %.2f S; without --sigma, of the noise that the image shows)\n"
            "  --patch P          side of a patch in pixels, odd, 1 to 15 (default 3)\n"
            "  --help             this text\n"
            "\n"
            "Prints PSNR before and after when a reference is known: CLEAN or, where noise was added, IN "
            "itself.\n"
            "Exit codes: 0 done, 1 failed, 2 bad usage or input, 3 unsupported by the device, 77 no such "
            "device.\n",
            STRENGTH_RATIO);
}

/* "25", "2.5" or "25/255", in levels. */
static bool parse_levels(const char *name, const char *text, double *out)
{
    char *end;
    double value = strtod(text, &end);
    bool good = end != text;
    if (good && *end == '/') {
        const char *divisor = end + 1;
        value *= LEVELS / strtod(divisor, &end);
        good = end != divisor;
    }
    if (!good || *end || !(value >= 0.0 && value <= LEVELS))
        return complain("--%s must be from 0 to 255, or a fraction such as 25/255, not %s", name, text);
    *out = value;
    return true;
}

static bool parse_count(const char *name, const char *text, uint64_t most, uint64_t *out)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || strchr(text, '-') || value > most)
        return complain("--%s must be a whole number from 0 to %llu, not %s", name, (unsigned long long)most, text);
    *out = value;
    return true;
}

static bool parse_crop(const char *text, options *out)
{
    uint64_t crop;
    if (!parse_count("crop", text, 65535, &crop))
        return false;
    out->crop = (uint32_t)crop;
    return crop > 0 || complain("--crop must be at least 1");
}

static bool parse_patch(const char *text, options *out)
{
    uint64_t patch;
    if (!parse_count("patch", text, PATCH_MOST, &patch))
        return false;
    out->patch = (uint32_t)patch;
    return patch % 2 == 1 || complain("--patch must be odd, not %s", text);
}

enum {
    OPTION_SIGMA = 1,
    OPTION_SEED,
    OPTION_REFERENCE,
    OPTION_CROP,
    OPTION_DEVICE,
    OPTION_H,
    OPTION_PATCH,
    OPTION_HELP
};

static bool apply(int option, char *const *argv, options *out)
{
    switch (option) {
    case OPTION_SIGMA: return parse_levels("sigma", optarg, &out->sigma);
    case OPTION_SEED: return parse_count("seed", optarg, UINT64_MAX, &out->seed);
    case OPTION_REFERENCE: out->reference = optarg; return true;
    case OPTION_CROP: return parse_crop(optarg, out);
    case OPTION_DEVICE: out->device = optarg; return true;
    case OPTION_H: return parse_levels("h", optarg, &out->h) && (out->h > 0.0 || complain("--h must be more than 0"));
    case OPTION_PATCH: return parse_patch(optarg, out);
    case ':': return complain("option %s needs a value; see --help", argv[optind - 1]);
    default: return complain("unknown or misused option %s; see --help", argv[optind - 1]);
    }
}

/* False: *out_code is what to end with. */
static bool parse_options(int argc, char **argv, options *out, int *out_code)
{
    static const struct option table[] = {
        {"sigma", required_argument, NULL, OPTION_SIGMA},
        {"seed", required_argument, NULL, OPTION_SEED},
        {"reference", required_argument, NULL, OPTION_REFERENCE},
        {"crop", required_argument, NULL, OPTION_CROP},
        {"device", required_argument, NULL, OPTION_DEVICE},
        {"h", required_argument, NULL, OPTION_H},
        {"patch", required_argument, NULL, OPTION_PATCH},
        {"help", no_argument, NULL, OPTION_HELP},
        {0},
    };
    int option;
    *out = (options){.seed = 1, .patch = 3};
    *out_code = EXIT_USAGE;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":", table, NULL)) != -1) {
        if (option == OPTION_HELP) {
            print_help(stdout);
            *out_code = EXIT_DONE;
            return false;
        }
        if (!apply(option, argv, out))
            return false;
    }
    if (argc - optind != 2) {
        print_help(stderr);
        return false;
    }
    out->in = argv[optind];
    out->out = argv[optind + 1];
    return true;
}

/* Reads the input and, where one is known, the reference, and adds the noise. */
static bool prepare(const options *o, image *noisy, image *reference)
{
    if (!image_read(o->in, noisy))
        return false;
    if (o->reference && !image_read(o->reference, reference))
        return false;
    if (o->reference && (reference->width != noisy->width || reference->height != noisy->height))
        return complain("%s: %u x %u pixels, but %s has %u x %u", o->reference, (unsigned)reference->width,
                        (unsigned)reference->height, o->in, (unsigned)noisy->width, (unsigned)noisy->height);
    if (o->crop && !image_crop(noisy, o->crop, o->in))
        return false;
    if (o->crop && o->reference && !image_crop(reference, o->crop, o->reference))
        return false;
    if (o->sigma > 0.0 && !o->reference) {
        if (!image_create(noisy->width, noisy->height, reference))
            return complain("out of memory");
        memcpy(reference->samples, noisy->samples,
               (size_t)noisy->width * noisy->height * IMAGE_CHANNELS * sizeof(float));
    }
    noise_add(noisy, o->sigma / LEVELS, o->seed);
    return true;
}

static int denoise(const options *o, const image *noisy, const image *reference, image *result)
{
    const double shown = o->sigma > 0.0 ? o->sigma / LEVELS : noise_estimate(noisy);
    const double sigma = shown > SIGMA_LEAST / LEVELS ? shown : SIGMA_LEAST / LEVELS;
    const nlm_params params = {
        .device = o->device,
        .patch = o->patch,
        .strength = o->h > 0.0 ? o->h / LEVELS : STRENGTH_RATIO * sigma,
    };
    if (!image_create(noisy->width, noisy->height, result)) {
        complain("out of memory");
        return EXIT_FAILED;
    }
    const int code = nlm_run(&params, noisy, result);
    if (code != EXIT_DONE)
        return code;
    if (!image_write(o->out, result))
        return EXIT_FAILED;
    if (reference->samples) {
        printf("PSNR before: %.2f dB\n", psnr(noisy, reference, false));
        printf("PSNR after: %.2f dB\n", psnr(result, reference, true));
    }
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    options o;
    int code;
    image noisy = {0}, reference = {0}, result = {0};
    if (!parse_options(argc, argv, &o, &code))
        return code;
    if (!image_check_output(o.out))
        return EXIT_FAILED;
    code = prepare(&o, &noisy, &reference) ? denoise(&o, &noisy, &reference, &result) : EXIT_USAGE;
    image_destroy(&noisy);
    image_destroy(&reference);
    image_destroy(&result);
    return code;
}
