/* Noise and its measure. */
#ifndef DENOISE_NOISE_H
#define DENOISE_NOISE_H

#include "image.h"

/* Adds Gaussian noise of standard deviation `sigma` (1 is full scale) to every sample. A seed gives the same
 * noise on every machine, up to the last bit of its logarithm and cosine. */
void noise_add(image *picture, double sigma, uint64_t seed);

/* The standard deviation of the noise that the picture itself shows (Immerkaer 1996). */
double noise_estimate(const image *picture);

/* Peak signal to noise ratio in decibels, of equal sizes; samples of `picture` as they would be written if
 * `quantized`. Infinite for equal pictures. */
double psnr(const image *picture, const image *reference, bool quantized);

#endif
