"""Small files of as many pixels as the server takes, and of more; metadata that unpacks to a gigabyte."""

import struct
import zlib

from odd_images import chunk, segment

# Just within --max_image_pixels, and far beyond it.
SHAPES = ((7200, 7200), (50_000, 1_000), (3, 17_000_000), (16_000, 16_000), (65_535, 65_535))


def bombs():
    for width, height in SHAPES:
        yield from pngs(width, height)
        yield bmp(width, height)
        if max(width, height) <= 16_384:
            yield webp(width, height)
        if max(width, height) <= 65_500:
            yield jpeg(width, height)
            for scans in (10, 64, 500):
                yield progressive_jpeg(width, height, scans)
    yield from packed_texts()
    yield from png_layouts()
    yield webp_of_groups(1024)


def zeros(length, wbits=15):
    """`length` zeros, packed."""
    packer, million = zlib.compressobj(9, zlib.DEFLATED, wbits), bytes(1_000_000)
    packed = [packer.compress(million[:length - at]) for at in range(0, length, len(million))]
    return b"".join(packed) + packer.flush()


def pngs(width, height):
    # What is refused by its header needs no pixels.
    pixels = zeros(min(height * (3 * width + 1), 200_000_000))
    for interlaced in (0, 1):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced))
        yield b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def png_layouts():
    """Of 240 bits a sample, which no PNG has, and so large that the server unpacks them itself."""
    pixels = chunk(b"IDAT", zeros(1_200_000_000))
    for depth, colour in ((240, 6), (255, 0)):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 7000, 7000, depth, colour, 0, 0, 0))
        yield b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def bmp(width, height):
    """Run-length coded, and over before its first run."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 2, 0, 0, 2, 0)
    palette, pixels = b"\0\0\0\0\xff\xff\xff\0", b"\0\1"
    return b"BM" + struct.pack("<IHHI", 54 + len(palette) + 2, 0, 0, 54 + len(palette)) + header + palette + pixels


def webp(width, height):
    """Lossless: one symbol in each of the five codes, so that no pixel takes a bit."""
    bits = (width - 1) | (height - 1) << 14 | 0 << 29  # 29 bits with the alpha's
    value, length = bits, 32
    for _ in range(3):  # no transform, colour cache or meta codes
        length += 1
    for _ in range(5):
        value |= 1 << length  # a simple code of one symbol, 0
        length += 4
    data = b"\x2f" + value.to_bytes(-(-length // 8), "little") + bytes(16)
    return _webp(data)


def webp_of_groups(side):
    """Lossless: each block of 4 x 4 pixels has a group of codes of its own, whose tables take 12 kB. Each code has one symbol."""
    def number(value, count):
        return format(value, f"0{count}b")[::-1]

    def code_of_bytes(symbols):
        """Of those to 255, of 8 bits each. The lengths 0 and 8 have a code of one bit."""
        return "0" + number(8, 4) + "".join("100" if i in (2, 11) else "000" for i in range(12)) + "0" + "1" * 256 + "0" * (symbols - 256)

    blocks, one_symbol = (side // 4) ** 2, "1000"
    bits = number(0x2f, 8) + number(side - 1, 14) * 2 + "0000" + "00" + "1" + "000"  # groups, of blocks of 4
    bits += "0" + code_of_bytes(256 + 24) + code_of_bytes(256) + one_symbol * 3
    bits += "".join(f"{block & 255:08b}{block >> 8:08b}" for block in range(blocks)) + one_symbol * 5 * blocks
    return _webp(int(bits[::-1], 2).to_bytes(-(-len(bits) // 8), "little") + bytes(16))


def _webp(data):
    body = b"WEBPVP8L" + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _jpeg(frame, width, height, tables, scans):
    size = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x11\0\2\x11\0\3\x11\0"
    quantization = segment(0xDB, b"\0" + b"\1" * 64)
    huffman = b"".join(segment(0xC4, bytes([table, 1]) + bytes(15) + bytes([symbol])) for table, symbol in tables)
    return b"\xff\xd8" + quantization + segment(frame, size) + huffman + b"".join(scans) + b"\xff\xd9"


def jpeg(width, height):
    """Each block is two zero bits: no difference, and no more coefficients."""
    blocks = -(-width // 8) * -(-height // 8)
    scan = segment(0xDA, b"\3\1\0\2\0\3\0\0\x3f\0") + bytes(min(blocks * 3 * 2 // 8 + 1, 2_000_000))
    return _jpeg(0xC0, width, height, ((0x00, 0), (0x10, 0)), [scan])


def progressive_jpeg(width, height, count):
    """The first scan is a zero bit a block; in each of the others runs of 32,767 empty blocks, of 15 bits."""
    blocks = -(-width // 8) * -(-height // 8)
    scans = [segment(0xDA, b"\3\1\0\2\0\3\0\0\0\0") + bytes(min(blocks * 3 // 8 + 1, 1_000_000))]
    run = "0" + "1" * 14  # the only symbol's code, and the length in excess of 16,384
    bits = run * (blocks // 32_767 + 1)
    packed = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big").replace(b"\xff", b"\xff\0")
    for number in range(count - 1):
        coefficient = 1 + number // 3 % 63
        scans.append(segment(0xDA, bytes([1, 1 + number % 3, 0, coefficient, coefficient, 0])) + packed)
    return _jpeg(0xC2, width, height, ((0x00, 0), (0x10, 0xE0)), scans)


def packed_texts():
    """PNGs of one pixel whose text, where an orientation may be, or colour profile is a gigabyte."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    gigabyte, pixel = zeros(1_000_000_000), chunk(b"IDAT", zlib.compress(bytes(4)))
    for name, before in ((b"zTXt", b"Raw profile type exif\0\0"), (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"), (b"iCCP", b"p\0\0")):
        text = chunk(name, before + gigabyte)
        yield b"\x89PNG\r\n\x1a\n" + header + text + pixel + chunk(b"IEND", b"")
        yield b"\x89PNG\r\n\x1a\n" + header + pixel + text + chunk(b"IEND", b"")
