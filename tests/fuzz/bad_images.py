#!/usr/bin/env python3
"""Damaged, lying and huge image files, made of the test images with a fixed seed: the same every time. Needs Python alone.

  bad_images.py OUT LIMIT     writes those of at most LIMIT bytes, as first inputs for the fuzzers
"""

import pathlib
import random
import struct
import sys
import zlib

import odd_images
from bombs import bombs
from odd_images import chunk

IMAGES = pathlib.Path(__file__).resolve().parents[1] / "data" / "images"

SIZES = (0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\0\0\0\0WEBPVP8X", b"BM")
OTHER_FILES = (b"", b"\0", b"GIF89a\1\0\1\0\0\0\0;", b"II*\0\x08\0\0\0", b"%PDF-1.7\n", b"PK\3\4", b"\0\0\0\x18ftypheic\0\0\0\0",
               b"\0\0\0\x1cftypavif\0\0\0\0", b"/9j/4AAQSkZJRgABAQ==", b"<svg xmlns='http://www.w3.org/2000/svg'/>",
               b"version https://git-lfs.github.com/spec/v1\n", b"\xff\x0a", b"8BPS\0\1", b"\0" * 100_000, b"\xff" * 100_000)


def all_files():
    """(kind, file) of each."""
    yield from damaged_files()
    for file in bombs():
        yield "small files of many pixels", file


def damaged_files():
    """Those that are quickly made."""
    rng = random.Random(17)
    tests = [path.read_bytes() for path in sorted(IMAGES.iterdir()) if path.suffix != ".tsv"]
    makers = {"as an encoder wrote it": lambda: tests, "cut off": lambda: _cut(tests), "flipped bits": lambda: _flipped(tests, rng),
              "overwritten, moved and lost bytes": lambda: _edited(tests, rng), "two files in one": lambda: _spliced(tests, rng),
              "odd metadata and headers": _odd, "sizes and lengths that lie": lambda: _lying(tests), "no image": lambda: _no_image(rng)}
    for kind, make in makers.items():
        for file in make():
            yield kind, file


def _cut(files):
    for file in files:
        for share in (0.02, 0.3, 0.6, 0.9):
            yield file[:int(share * len(file))]
        yield file[:-1]


def _flipped(files, rng):
    for file in files:
        for flips in (1, 4, 16, 256):
            bad = bytearray(file)
            # Most of a header's meaning lies at its start.
            end = min(len(file), 200) if flips < 16 else len(file)
            for _ in range(flips):
                bad[rng.randrange(end)] ^= 1 << rng.randrange(8)
            yield bytes(bad)


def _edited(files, rng):
    for file in files:
        at, length = rng.randrange(len(file)), rng.randrange(1, 64)
        yield file[:at] + rng.randbytes(length) + file[at + length:]
        yield file[:at] + file[at + length:]
        yield file[:at] + file[at:at + length] * 3 + file[at + length:]


def _spliced(files, rng):
    for file in files:
        other = rng.choice(files)
        yield file[:len(file) // 2] + other[len(other) // 2:]
        yield file + other


def _odd():
    for make in (odd_images.jpegs, odd_images.pngs, odd_images.webps):
        yield from make(IMAGES)
    yield from odd_images.bmps()


def _lying(files):
    for file in files:
        if file.startswith(b"\xff\xd8"):
            yield from _lying_jpegs(file)
        elif file.startswith(b"\x89PNG"):
            yield from _lying_pngs(file)
        elif file.startswith(b"RIFF"):
            for size in SIZES:
                yield file[:4] + struct.pack("<I", size) + file[8:]  # the file's length
                yield file[:16] + struct.pack("<I", size) + file[20:]  # the first chunk's
        else:
            for size in SIZES:
                yield file[:10] + struct.pack("<I", size) + file[14:]  # where its pixels are
                yield file[:18] + struct.pack("<II", size, size) + file[26:]


def _lying_jpegs(file):
    frame = next(at for at in range(2, len(file)) if file[at] == 0xFF and file[at + 1] in (0xC0, 0xC1, 0xC2))
    for size in (0, 1, 0xFFFF):
        yield file[:frame + 5] + struct.pack(">HH", size, size) + file[frame + 9:]
        yield file[:frame + 2] + struct.pack(">H", size) + file[frame + 4:]  # the segment's length
    yield file[:frame + 9] + b"\xff" + file[frame + 10:]  # components


def _lying_pngs(file):
    for size in SIZES:
        yield file[:8] + chunk(b"IHDR", struct.pack(">II", size, size) + file[24:29]) + file[33:]
    for depth, colour in ((0, 0), (3, 2), (16, 3), (255, 255)):
        yield file[:8] + chunk(b"IHDR", file[16:24] + bytes([depth, colour]) + file[26:29]) + file[33:]
    yield file[:33] + b"\x7f\xff\xff\xffIDAT" + file[41:]
    # Pixels that unpack to fewer than the header says.
    yield file[:33] + chunk(b"IDAT", zlib.compress(b"\0" * 7)) + chunk(b"IEND", b"")


def _no_image(rng):
    yield from OTHER_FILES
    for signature in SIGNATURES:
        yield signature
        for length in (10, 1000, 100_000):
            yield signature + rng.randbytes(length)


def main():
    out, limit = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for _, file in all_files():
        if len(file) <= limit:
            (out / f"{zlib.crc32(file):08x}").write_bytes(file)


if __name__ == "__main__":
    main()
