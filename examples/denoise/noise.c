#include "noise.h"

#include <math.h>

#define PI 3.14159265358979323846

/* SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* In (0, 1]. */
static double next_uniform(uint64_t *state)
{
    return ((double)(next_random(state) >> 11) + 1.0) * 0x1p-53;
}

/* Box and Muller 1958. */
static double next_normal(uint64_t *state)
{
    const double radius = sqrt(-2.0 * log(next_uniform(state)));
    return radius * cos(2.0 * PI * next_uniform(state));
}

void noise_add(image *picture, double sigma, uint64_t seed)
{
    const size_t count = (size_t)picture->width * picture->height * IMAGE_CHANNELS;
    uint64_t state = seed;
    for (size_t i = 0; i < count; i++)
        picture->samples[i] += (float)(sigma * next_normal(&state));
}

static double sample_at(const image *picture, size_t x, size_t y, size_t channel)
{
    return picture->samples[(y * picture->width + x) * IMAGE_CHANNELS + channel];
}

/* The difference of two Laplacians: 0 on planes, 6 times the noise's deviation on noise. */
static double laplacians(const image *p, size_t x, size_t y, size_t c)
{
    const double corners = sample_at(p, x - 1, y - 1, c) + sample_at(p, x + 1, y - 1, c) +
                           sample_at(p, x - 1, y + 1, c) + sample_at(p, x + 1, y + 1, c);
    const double sides =
        sample_at(p, x, y - 1, c) + sample_at(p, x - 1, y, c) + sample_at(p, x + 1, y, c) + sample_at(p, x, y + 1, c);
    return corners - 2.0 * sides + 4.0 * sample_at(p, x, y, c);
}

double noise_estimate(const image *picture)
{
    double sum = 0.0;
    if (picture->width < 3 || picture->height < 3)
        return 0.0;
    for (size_t y = 1; y + 1 < picture->height; y++) {
        for (size_t i = IMAGE_CHANNELS; i < (size_t)(picture->width - 1) * IMAGE_CHANNELS; i++)
            sum += fabs(laplacians(picture, i / IMAGE_CHANNELS, y, i % IMAGE_CHANNELS));
    }
    const double count = (picture->width - 2.0) * (picture->height - 2.0) * IMAGE_CHANNELS;
    return sqrt(PI / 2.0) / 6.0 * sum / count;
}

double psnr(const image *picture, const image *reference, bool quantized)
{
    const size_t count = (size_t)picture->width * picture->height * IMAGE_CHANNELS;
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        const float sample = quantized ? image_quantize(picture->samples[i]) : picture->samples[i];
        const double difference = (double)sample - reference->samples[i];
        sum += difference * difference;
    }
    return sum > 0.0 ? -10.0 * log10(sum / (double)count) : (double)INFINITY;
}
