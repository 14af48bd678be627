#!/usr/bin/env python3
"""Every JPEG, PNG, WebP and BMP among Pillow's and Go's test images: the server's pixels
against Pillow's convert("RGB"). A JSON object a file.

  decoding.py BINARIES OUT.jsonl
"""

import json
import pathlib
import subprocess
import sys
import warnings

import numpy as np
from PIL import Image

import sources

FORMATS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"BM": "BMP"}


def format_of(path):
    start = path.read_bytes()[:12]
    if start[:4] == b"RIFF" and start[8:] == b"WEBP":
        return "WebP"
    return next((name for magic, name in FORMATS.items() if start.startswith(magic)), None)


class Decoder:
    """build/bin/decode_pixels."""

    def __init__(self, binaries):
        self._process = subprocess.Popen([binaries / "decode_pixels"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def decode(self, path):
        """[height, width, 3], or why not."""
        self._process.stdin.write(f"{path}\n".encode())
        self._process.stdin.flush()
        answer = self._process.stdout.readline().decode().rstrip("\n")
        if answer.startswith("refused: "):
            return answer.removeprefix("refused: ")
        width, height, _ = map(int, answer.split())
        return np.frombuffer(self._process.stdout.read(width * height * 3), np.uint8).reshape(height, width, 3)


def pillows(path):
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB")), image.mode
    except Exception as error:  # whatever it is: Pillow refuses the file
        return f"{type(error).__name__}: {error}".replace(str(path), path.name)[:200], ""


def compare(ours, theirs):
    if isinstance(ours, str) or isinstance(theirs, str):
        return {"ours": ours if isinstance(ours, str) else "decoded",
                "pillow": theirs if isinstance(theirs, str) else "decoded"}
    if ours.shape != theirs.shape:
        return {"sizes": [ours.shape, theirs.shape]}
    difference = np.abs(ours.astype(int) - theirs)
    return {"largest": int(difference.max()), "share": float((difference > 0).mean())}


def main():
    warnings.simplefilter("ignore")
    binaries, out = map(pathlib.Path, sys.argv[1:])
    decoder = Decoder(binaries)
    with out.open("w") as lines:
        for corpus, paths in (("Pillow", sources.pillow_images()), ("Go", sources.go_images())):
            for path in paths:
                form = format_of(path)
                if form is None:
                    continue
                theirs, mode = pillows(path)
                row = {"corpus": corpus, "file": path.name, "format": form, "mode": mode}
                print(json.dumps(row | compare(decoder.decode(path), theirs)), file=lines, flush=True)


if __name__ == "__main__":
    main()
