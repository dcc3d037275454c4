/* A tile unit (AMX-TILE, AMX-BF16) in C, for the tests alone: what the intrinsics of these names do, on ordinary memory. Every
 * operation checks what the instruction would fault on or that it would do something else than product_tiles.h means.
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18, and volume 2. */
#ifndef FV_CPU_TILES_IN_C_H
#define FV_CPU_TILES_IN_C_H

#include <stdio.h>
#include <stdlib.h>

enum { C_TILES = 8, C_TILE_ROWS = 16, C_TILE_BYTES = 64 };

typedef struct c_tile {
    uint16_t row_bytes;
    uint8_t rows;
    unsigned char data[C_TILE_ROWS][C_TILE_BYTES];
} c_tile;

static _Thread_local c_tile c_tiles[C_TILES];
static _Thread_local int c_tiles_configured;

static void c_tile_require(int holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "tile unit: %s\n", what);
    abort();
}

static void c_tile_loadconfig(const void *memory)
{
    const unsigned char *bytes = memory;
    c_tile_require(bytes[0] == 1 && bytes[1] == 0, "palette 1 from row 0");
    for (int i = 2; i < 16; i++)
        c_tile_require(bytes[i] == 0, "reserved bytes of a configuration");
    for (int i = 0; i < 16; i++) {
        uint16_t row_bytes;
        memcpy(&row_bytes, bytes + 16 + 2 * i, sizeof row_bytes);
        const uint8_t rows = bytes[48 + i];
        c_tile_require(i < C_TILES || (row_bytes == 0 && rows == 0), "a tile that does not exist");
        c_tile_require(row_bytes <= C_TILE_BYTES && rows <= C_TILE_ROWS, "a tile too large");
        if (i < C_TILES) {
            c_tiles[i].row_bytes = row_bytes;
            c_tiles[i].rows = rows;
            memset(c_tiles[i].data, 0, sizeof c_tiles[i].data);
        }
    }
    c_tiles_configured = 1;
}

static void c_tile_release(void)
{
    c_tile_require(c_tiles_configured, "release without a configuration");
    c_tiles_configured = 0;
}

static c_tile *c_tile_of(int number)
{
    c_tile_require(c_tiles_configured && number < C_TILES && c_tiles[number].rows > 0, "a tile that is not configured");
    return &c_tiles[number];
}

static void c_tile_zero(int number)
{
    memset(c_tile_of(number)->data, 0, sizeof c_tiles[number].data);
}

static void c_tile_loadd(int number, const void *base, size_t stride)
{
    c_tile *tile = c_tile_of(number);
    memset(tile->data, 0, sizeof tile->data);
    for (size_t row = 0; row < tile->rows; row++)
        memcpy(tile->data[row], (const unsigned char *)base + row * stride, tile->row_bytes);
}

static void c_tile_stored(int number, void *base, size_t stride)
{
    const c_tile *tile = c_tile_of(number);
    for (size_t row = 0; row < tile->rows; row++)
        memcpy((unsigned char *)base + row * stride, tile->data[row], tile->row_bytes);
}

/* A bf16 of the lower or the upper half of a word; denormal ones are zero. */
static float c_tile_operand(uint32_t word, int upper)
{
    const uint32_t bits = upper ? word & 0xffff0000u : word << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return (bits & 0x7f800000u) == 0 ? 0.0f * value : value;
}

/* c += a b: word k of row i of a is two elements that meet row k of b. */
static void c_tile_dpbf16ps(int c, int a, int b)
{
    c_tile *sum = c_tile_of(c);
    const c_tile *left = c_tile_of(a), *right = c_tile_of(b);
    c_tile_require(c != a && c != b && a != b, "three tiles");
    c_tile_require(sum->rows == left->rows && sum->row_bytes == right->row_bytes && left->row_bytes == 4 * right->rows,
                   "tiles that do not fit together");
    float sums[C_TILE_ROWS][C_TILE_BYTES / 4], rows[2][C_TILE_ROWS][C_TILE_BYTES / 4];
    uint32_t words[C_TILE_ROWS][C_TILE_BYTES / 4];
    memcpy(sums, sum->data, sizeof sums);
    memcpy(words, right->data, sizeof words);
    for (int k = 0; k < C_TILE_ROWS; k++)
        for (int n = 0; n < C_TILE_BYTES / 4; n++) {
            rows[0][k][n] = c_tile_operand(words[k][n], 0);
            rows[1][k][n] = c_tile_operand(words[k][n], 1);
        }
    memcpy(words, left->data, sizeof words);
    for (int i = 0; i < sum->rows; i++)
        for (int k = 0; k < right->rows; k++)
            for (int n = 0; n < sum->row_bytes / 4; n++) {
                sums[i][n] += c_tile_operand(words[i][k], 0) * rows[0][k][n];
                sums[i][n] += c_tile_operand(words[i][k], 1) * rows[1][k][n];
            }
    memcpy(sum->data, sums, sizeof sums);
}

#endif
