#!/usr/bin/env python3
"""Makes tests/data/images: small image files, and what Pillow and timm make of them.

Needs pillow==13.0.0 timm==1.0.31 torch torchvision numpy: JPEG pixels and the last
bit of resampling depend on the versions.

  tools/make_image_golden.py                     # everything but the photos
  tools/make_image_golden.py --photos SKIMAGE    # also the photos, from scikit-image's data folder
  tools/make_image_golden.py --random 2000 --seed 7 --out /tmp/random.tsv
      other preprocessing cases, for
      PATCHSERVE_PREPROCESS_GOLDEN=/tmp/random.tsv image_tests --gtest_filter='*Timm*'
"""

import argparse
import hashlib
import io
import pathlib
import random
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "data" / "images"
WIDTH, HEIGHT = 37, 29  # of the synthetic files: odd, so that padding shows
PHOTOS = {"astronaut": "astronaut.png", "chelsea": "chelsea.png", "coffee": "coffee.png", "rocket": "rocket.jpg"}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def noise(width: int, height: int, seed: int, saturated: bool = False) -> np.ndarray:
    """The same picture as Noise() in tests/image/noise.h."""
    i = np.arange(width * height * 3, dtype=np.uint32) + np.uint32(seed * 7919)
    with np.errstate(over="ignore"):
        v = i * np.uint32(2654435761)
        v ^= v >> np.uint32(15)
        v *= np.uint32(2246822519)
        v ^= v >> np.uint32(13)
    pixels = (v & np.uint32(255)).astype(np.uint8)
    if saturated:
        pixels = np.where(pixels & 1, 255, 0).astype(np.uint8)
    return pixels.reshape(height, width, 3)


def picture(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Smooth, and different at each corner."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x * 3 + y * 5) % 256], axis=-1).astype(np.uint8)


# ---- PNG, written by hand: Pillow writes only some of its kinds.


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def packed_rows(samples: np.ndarray, depth: int) -> bytes:
    """samples: [H, W * channels]; one filter byte a row."""
    rows = []
    for row in samples:
        if depth == 16:
            data = row.astype(">u2").tobytes()
        elif depth == 8:
            data = row.astype(np.uint8).tobytes()
        else:
            bits = "".join(format(int(v), f"0{depth}b") for v in row)
            bits += "0" * (-len(bits) % 8)
            data = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
        rows.append(b"\0" + data)
    return b"".join(rows)


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(samples: np.ndarray, depth: int, color: int, before: bytes = b"", interlaced: bool = False) -> bytes:
    """samples: [H, W, channels]."""
    height, width, _ = samples.shape
    if interlaced:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
    else:
        parts = [samples]
    raw = b"".join(packed_rows(p.reshape(p.shape[0], -1), depth) for p in parts if p.size)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
    )


def png_files() -> dict[str, bytes]:
    rgb = picture().astype(np.int64)
    gray = rgb[..., 2:3]
    alpha = (rgb[..., 0:1] * 7) % 256
    files = {}
    for depth in (1, 2, 4, 8):
        files[f"gray{depth}.png"] = png(gray >> (8 - depth), depth, 0)
        entries = bytes((i * 37 + c * 91) % 256 for i in range(1 << depth) for c in range(3))
        palette = chunk(b"PLTE", entries)
        files[f"palette{depth}.png"] = png(gray >> (8 - depth), depth, 3, palette)
    files["palette-transparent.png"] = png(gray, 8, 3, palette + chunk(b"tRNS", bytes(range(256))))
    # Half of the values are under 256, so that clipping and scaling differ.
    files["gray16.png"] = png(np.where(rgb[..., 0:1] < 128, gray, gray * 257), 16, 0)
    files["gray-transparent.png"] = png(gray, 8, 0, chunk(b"tRNS", b"\0\7"))
    files["gray-alpha.png"] = png(np.concatenate([gray, alpha], -1), 8, 4)
    files["gray-alpha16.png"] = png(np.concatenate([gray, alpha], -1) * 255 + 77, 16, 4)
    files["rgb.png"] = png(rgb, 8, 2)
    files["rgb16.png"] = png(rgb * 255 + 77, 16, 2)
    files["rgb-transparent.png"] = png(rgb, 8, 2, chunk(b"tRNS", struct.pack(">HHH", *(int(v) for v in rgb[3, 5]))))
    files["rgba.png"] = png(np.concatenate([rgb, alpha], -1), 8, 6)
    files["rgba16.png"] = png(np.concatenate([rgb, alpha], -1) * 255 + 77, 16, 6)
    files["interlaced.png"] = png(rgb, 8, 2, interlaced=True)
    files["interlaced-gray2.png"] = png(gray >> 6, 2, 0, interlaced=True)
    return files


# ---- BMP, by hand as well.


def bmp(bits: int, rows: list[bytes], palette: bytes = b"", top_down: bool = False, core: bool = False,
        masks: bytes = b"", compression: int = 0) -> bytes:
    pixels = b"".join(row + b"\0" * (-len(row) % 4) for row in (rows if top_down else rows[::-1]))
    if core:
        header = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits)
    else:
        header = struct.pack("<IiiHHIIiiII", 40, WIDTH, -HEIGHT if top_down else HEIGHT, 1, bits, compression,
                             len(pixels), 2835, 2835, len(palette) // 4, 0)
    offset = 14 + len(header) + len(masks) + len(palette)
    return struct.pack("<2sIHHI", b"BM", offset + len(pixels), 0, 0, offset) + header + masks + palette + pixels


def bmp_files() -> dict[str, bytes]:
    rgb = picture()
    index = rgb[..., 2]
    palette = bytes(b for i in range(256) for b in ((i * 91) % 256, (i * 37) % 256, i, 0))
    core_palette = bytes(b for i in range(256) for b in ((i * 91) % 256, (i * 37) % 256, i))
    r, g, b = (rgb[..., c].astype(np.uint16) for c in range(3))
    rgb24 = [row[:, ::-1].tobytes() for row in rgb]
    rgb555 = ((r >> 3) << 10 | (g >> 3) << 5 | b >> 3).astype("<u2")
    rgb565 = ((r >> 3) << 11 | (g >> 2) << 5 | b >> 3).astype("<u2")
    rgb32 = np.concatenate([rgb[..., ::-1], index[..., None]], -1)
    # Run-length: each row as runs of one pixel, then an end of line; end of file.
    runs = b"".join(b"".join(bytes((1, v)) for v in row) + b"\0\0" for row in index[::-1])
    files = {
        "bits1.bmp": bmp(1, [np.packbits(row >> 7).tobytes() for row in index], palette[:4] + palette[800:804]),
        "bits4.bmp": bmp(4, [packed_rows((row >> 4)[None], 4)[1:] for row in index], palette[:64]),
        "bits8.bmp": bmp(8, [row.tobytes() for row in index], palette),
        "bits8-rle.bmp": b"",
        "bits16.bmp": bmp(16, [row.tobytes() for row in rgb555]),
        "bits16-565.bmp": bmp(16, [row.tobytes() for row in rgb565], masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F),
                              compression=3),
        "bits24.bmp": bmp(24, rgb24),
        "bits24-top-down.bmp": bmp(24, rgb24, top_down=True),
        "bits32.bmp": bmp(32, [row.tobytes() for row in rgb32]),
        "core8.bmp": bmp(8, [row.tobytes() for row in index], core_palette, core=True),
        "core24.bmp": bmp(24, rgb24, core=True),
    }
    plain = files["bits8.bmp"]
    head = bytearray(plain[: 14 + 40 + len(palette)])
    head[30:34] = struct.pack("<I", 1)
    files["bits8-rle.bmp"] = bytes(head) + runs + b"\0\1"
    return files


def saved(image: Image.Image, format: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def pillow_files() -> dict[str, bytes]:
    rgb = Image.fromarray(picture())
    rgba = rgb.copy()
    rgba.putalpha(Image.fromarray((picture()[..., 0] * 7).astype(np.uint8)))
    cmyk = Image.merge("CMYK", [Image.fromarray(picture()[..., c]) for c in (0, 1, 2, 0)])
    second = rgb.transpose(Image.Transpose.ROTATE_180)
    return {
        "444.jpg": saved(rgb, "JPEG", quality=90, subsampling=0),
        "422.jpg": saved(rgb, "JPEG", quality=90, subsampling=1),
        "420.jpg": saved(rgb, "JPEG", quality=90, subsampling=2),
        "progressive.jpg": saved(rgb, "JPEG", quality=90, progressive=True),
        "restarts.jpg": saved(rgb, "JPEG", quality=90, restart_marker_rows=1),
        "rgb-coded.jpg": saved(rgb, "JPEG", quality=90, keep_rgb=True),
        "gray.jpg": saved(rgb.convert("L"), "JPEG", quality=90),
        "cmyk.jpg": saved(cmyk, "JPEG", quality=95),
        "lossy.webp": saved(rgb, "WEBP", quality=80),
        "lossy-alpha.webp": saved(rgba, "WEBP", quality=80),
        "lossless.webp": saved(rgb, "WEBP", lossless=True),
        "lossless-alpha.webp": saved(rgba, "WEBP", lossless=True, exact=True),
        "animated.webp": saved(rgb, "WEBP", save_all=True, append_images=[second], duration=100, lossless=True),
        "animated.png": saved(rgb, "PNG", save_all=True, append_images=[second], duration=100),
        "animated-with-cover.png": saved(rgb, "PNG", save_all=True, append_images=[second, rgba.convert("RGB")],
                                         duration=100, default_image=True),
    }


def exif(orientation: int, big_endian: bool) -> bytes:
    order = ">" if big_endian else "<"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    other = struct.pack(order + "HHII", 0x0100, 4, 1, 99)
    return ((b"MM" if big_endian else b"II") + struct.pack(order + "HIH", 42, 8, 2) + other + entry
            + struct.pack(order + "I", 0))


def orientation_files() -> dict[str, bytes]:
    small = Image.fromarray(picture(12, 7))
    files = {}
    for n in range(1, 9):
        tag = b"Exif\0\0" + exif(n, big_endian=n % 2 == 0)
        files[f"orientation{n}.jpg"] = saved(small, "JPEG", quality=90, exif=tag)
    files["orientation6.png"] = saved(small, "PNG", exif=exif(6, True))
    files["orientation8.webp"] = saved(small, "WEBP", lossless=True, exif=exif(8, False))
    files["orientation9.jpg"] = saved(small, "JPEG", quality=90, exif=b"Exif\0\0" + exif(9, False))
    return files


def photo_files(folder: pathlib.Path) -> dict[str, bytes]:
    files = {}
    for name, source in PHOTOS.items():
        photo = Image.open(folder / source).convert("RGB")
        photo.thumbnail((500, 500), Image.Resampling.LANCZOS)
        files[f"{name}.jpg"] = saved(photo, "JPEG", quality=85 if name == "coffee" else 88)
    return files


# ---- Expected results.


def decode_table(names: list[str]) -> str:
    lines = ["# file\twidth\theight\torientation\tSHA-256 of Pillow's RGB bytes\tSHA-256 once upright"]
    for name in names:
        image = Image.open(FOLDER / name)
        orientation = image.getexif().get(0x0112, 1)
        if not 1 <= orientation <= 8:
            orientation = 1
        width, height = image.size
        rgb = image.convert("RGB")
        rgb.getexif()[0x0112] = orientation
        upright = ImageOps.exif_transpose(rgb)
        lines.append(f"{name}\t{width}\t{height}\t{orientation}\t{sha(rgb.tobytes())}\t{sha(upright.tobytes())}")
    return "\n".join(lines) + "\n"


def preprocess_case(random_: random.Random, source: str, image: Image.Image) -> str:
    from timm.data import create_transform

    targets = [(32, 32), (64, 64), (96, 96), (96, 128), (224, 224), (160, 96), (256, 256)]
    while True:
        height, width = random_.choice(targets)
        crop_pct = random_.choice([0.875, 0.9, 0.95, 0.96, 1.0, 0.8])
        mode = random_.choice(["center", "center", "squash", "border"])
        interpolation = random_.choice(["bicubic", "bicubic", "bilinear"])
        mean = random_.choice([(0.485, 0.456, 0.406), (0.5, 0.5, 0.5)])
        transform = create_transform(input_size=(3, height, width), crop_pct=crop_pct, crop_mode=mode,
                                     interpolation=interpolation, mean=mean, normalize=False)
        try:
            pixels = transform(image)
        except ValueError:  # a side of 0: timm refuses
            continue
        digest = sha(pixels.permute(1, 2, 0).contiguous().numpy().tobytes())
        return f"{source}\t{width}\t{height}\t{crop_pct}\t{mode}\t{interpolation}\t{mean[0]}\t{digest}"


def random_size(random_: random.Random, most: int) -> tuple[int, int]:
    kind = random_.random()
    if kind < 0.1:
        return random_.randint(1, 12), random_.randint(1, most)
    if kind < 0.2:
        return random_.randint(1, most), random_.randint(1, 12)
    if kind < 0.3:  # near to what the targets resize to: one side may keep its length
        return random_.choice([73, 109, 224, 256, 248, 233]), random_.choice([36, 73, 224, 256, 248, 233])
    return random_.randint(1, most), random_.randint(1, most)


def preprocess_table(cases: int, seed: int, most: int, photos: list[str]) -> str:
    random_ = random.Random(seed)
    lines = ["# source\twidth\theight\tcrop_pct\tcrop_mode\tinterpolation\tmean of red\tSHA-256 of timm's pixels"]
    for i in range(cases):
        width, height = random_size(random_, most)
        saturated = random_.random() < 0.3
        source = f"noise:{width}x{height}:{i}:{int(saturated)}"
        lines.append(preprocess_case(random_, source, Image.fromarray(noise(width, height, i, saturated))))
    for name in photos:
        image = Image.open(FOLDER / name).convert("RGB")
        lines += [preprocess_case(random_, name, image) for _ in range(12)]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=pathlib.Path, help="scikit-image's data folder")
    parser.add_argument("--random", type=int, help="only make so many preprocessing cases")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    photos = [f"{name}.jpg" for name in PHOTOS]
    if options.random:
        options.out.write_text(preprocess_table(options.random, options.seed, 1100, photos))
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    files = png_files() | bmp_files() | pillow_files() | orientation_files()
    if options.photos:
        files |= photo_files(options.photos)
    for name, data in files.items():
        (FOLDER / name).write_bytes(data)
    (FOLDER / "decode.tsv").write_text(decode_table(sorted(files.keys() | set(photos))))
    (FOLDER / "preprocess.tsv").write_text(preprocess_table(300, options.seed, 500, photos))


if __name__ == "__main__":
    main()
