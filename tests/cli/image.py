"""Just enough of PNG to make and to judge images: 8 bits, RGB."""
import math
import struct
import zlib

import numpy

MAGIC = b"\x89PNG\r\n\x1a\n"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode(pixels):
    """[height, width, 3] or [height, width, 4] uint8 to a file's bytes."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, {3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return MAGIC + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def paeth(left, up, corner):
    near = left + up - corner
    return min((abs(near - left), 0, left), (abs(near - up), 1, up), (abs(near - corner), 2, corner))[2]


def unfilter(kind, row, above):
    out = bytearray(row)
    for i, value in enumerate(row):
        left, corner = (out[i - 3], above[i - 3]) if i >= 3 else (0, 0)
        add = (0, left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner) if kind == 4 else 0)[kind]
        out[i] = (value + add) & 255
    return out


def decode(file):
    assert file.startswith(MAGIC)
    at, data = len(MAGIC), b""
    while at < len(file):
        size, kind = struct.unpack(">I4s", file[at:at + 8])
        content = file[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, color, _, _, interlace = struct.unpack(">IIBBBBB", content)
            assert (depth, color, interlace) == (8, 2, 0)
        data += content if kind == b"IDAT" else b""
        at += size + 12
    raw, stride = zlib.decompress(data), 3 * width + 1
    rows, above = [], bytes(3 * width)
    for y in range(height):
        above = unfilter(raw[y * stride], raw[y * stride + 1:(y + 1) * stride], above)
        rows.append(bytes(above))
    return numpy.frombuffer(b"".join(rows), "u1").reshape(height, width, 3)


def psnr(a, b):
    return -10 * math.log10(((a.astype("f8") - b) ** 2).mean() / 255**2)


def scene(width, height):
    """Discs, stripes and slopes of colour."""
    y, x = numpy.mgrid[0:height, 0:width].astype("f8")
    picture = numpy.stack([40 + 120 * x / width, 60 + 90 * y / height, 150 - 80 * x / width], -1)
    picture[(x // 9 + y // 13) % 2 == 0] += (30, -20, 25)
    for cx, cy, r, color in ((0.3, 0.4, 0.2, (200, 80, 60)), (0.7, 0.6, 0.25, (60, 170, 210))):
        picture[(x / width - cx) ** 2 + (y / height - cy) ** 2 < r * r] = color
    return picture.clip(0, 255).round().astype("u1")
