"""Image files that no encoder writes: the test images with metadata in every place that is read, cut off, and with more
behind them; BMPs of every header.
"""

import struct
import zlib

MASKS = {16: [(0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)], 32: [(0xFF, 0xFF00, 0xFF0000, 0xFF000000)]}
XMP = [b'<rdf:Description tiff:Orientation="6"/>', b"<tiff:Orientation>8</tiff:Orientation>"]
EXIF = b"Exif\0\0"


def tiff(kind, values, order="<"):
    """A directory of one entry: the orientation."""
    entry = struct.pack(order + "HHI", 0x112, kind, 1) + (values.ljust(4, b"\0") if len(values) <= 4 else
                                                          struct.pack(order + "I", 26))
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, 1)
    return head + entry + bytes(4) + (values if len(values) > 4 else b"")


BLOCKS = [tiff(3, b"\6\0"), tiff(4, b"\0\0\0\6", ">"), tiff(9, b"\6\0\0\0"), tiff(5, struct.pack("<II", 12, 2))]


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def jpegs(images):
    for name in ("420.jpg", "progressive.jpg"):
        file = (images / name).read_bytes()
        metadata = [segment(0xE1, EXIF + block) for block in BLOCKS]
        metadata += [segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + text) for text in XMP]
        metadata += [segment(0xE1, EXIF) + metadata[0], segment(0xE1, EXIF + EXIF + BLOCKS[0]), b"\xff\xfe\0\0", b"\xff\xff\xff"]
        for part in metadata:
            yield file[:2] + part + file[2:]
        yield file + b"\0\0\0\x18ftypmp42" + b"\xff\xda" * 300
        yield file[:-2] + segment(0xFE, b"") + b"\xff\xda\0\6\1\1\0\0\x3f\0" * 3 + file[-2:]


def pngs(images):
    file = (images / "rgb.png").read_bytes()
    profile = b"\nexif\n      26\n" + BLOCKS[0].hex().encode()
    key, xmp = b"Raw profile type exif\0", b"XML:com.adobe.xmp\0"
    chunks = [chunk(b"eXIf", BLOCKS[1]), chunk(b"tEXt", key + profile), chunk(b"zTXt", key + b"\0" + zlib.compress(profile)),
              chunk(b"iTXt", xmp + b"\0\0en\0k\0" + XMP[0]), chunk(b"iTXt", xmp + b"\1\0\0\0" + zlib.compress(XMP[1]))]
    for part in chunks:
        yield file[:33] + part + file[33:]
        yield file[:-12] + part
    for name in ("rgb.png", "interlaced.png", "animated.png"):
        file = (images / name).read_bytes()
        for lost in (1, 6, 12, 14, 18, 21, 22):
            yield file[:-lost]


def webps(images):
    file = (images / "lossless.webp").read_bytes()
    canvas = struct.pack("<I", struct.unpack("<I", file[21:25])[0] & 0x3FFF)[:3]
    for parts in ([(b"EXIF", BLOCKS[0])], [(b"XMP ", XMP[0])], [(b"EXIF", EXIF), (b"XMP ", XMP[1])]):
        body = b"VP8X" + struct.pack("<I", 10) + b"\x0c\0\0\0" + canvas + canvas + file[12:]
        for name, data in parts:
            body += name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
        yield b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def bmp(header, bits, compression, masks, pixels, offset):
    info = struct.pack("<IiiHHIIiiII", header, 5, 3, 1, bits, compression, 0, 0, 0, 4 if bits <= 8 else 0, 0)
    info = (info + struct.pack(f"<{len(masks)}I", *masks)).ljust(header, b"\0")
    if bits <= 8:
        info += bytes(range(16))
    at = 14 + len(info) if offset is None else offset
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, at) + info + pixels


def bmps():
    for header in (40, 52, 56, 64, 108, 124):
        for bits in (1, 4, 8, 16, 24, 32):
            for masks in [()] + MASKS.get(bits, []):
                for offset in (None, 0):
                    yield bmp(header, bits, 3 if masks else 0, masks, bytes(range(60)), offset)
    for bits, compression in ((8, 1), (4, 2)):
        yield bmp(40, bits, compression, (), b"\5\1\0\0\0\5\1\2\3\1\2\0\0\0\0\2\2\0\3\1\0\1", None)
