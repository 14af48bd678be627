"""Writes a photo that costs much to decode: 49 megapixels, progressive, of which libjpeg keeps all coefficients,
in 16 MB. Decoders end at the picture's end and don't see what follows.

usage: large_photo.py FILE
"""

import io
import pathlib
import sys

from PIL import Image

file = io.BytesIO()
Image.new("RGB", (7000, 7000), (40, 90, 200)).save(file, "JPEG", progressive=True, subsampling=0)
pathlib.Path(sys.argv[1]).write_bytes(file.getvalue().ljust(16_000_000, b"\0"))
