#!/usr/bin/env python3
"""Wants numpy and Pillow: `make check-scripts` runs it."""

import pathlib
import pickle
import struct
import sys
import tempfile
import unittest

import numpy as np
from PIL import Image

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
import cifar10


class Python2Pickler(pickle._Pickler):
    """Writes texts as Python 2 did, as the authors' files have them."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_text(self, text):
        text = text if isinstance(text, bytes) else text.encode()
        self.write(pickle.BINSTRING + struct.pack("<i", len(text)) + text)

    dispatch[bytes] = dispatch[str] = save_text


def write_batch(path, labels, first):
    """Photos whose pixels all have one value: first, first + 1, ..."""
    pixels = np.repeat(np.arange(first, first + len(labels), dtype=np.uint8), 3072).reshape(-1, 3072)
    with open(path, "wb") as file:
        Python2Pickler(file, protocol=2).dump({b"labels": labels, b"data": pixels})


class Cifar10Test(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)

    def test_the_authors_batches_are_read_class_by_class(self):
        folder = self.root / "cifar-10-batches-py"
        folder.mkdir()
        for i in range(5):
            write_batch(folder / f"data_batch_{i + 1}", [9, 0], 2 * i)
        write_batch(folder / "test_batch", [3], 77)
        for root in (self.root, folder):
            pixels, labels, _ = cifar10.read(root, "train")
            self.assertEqual(pixels.shape, (10, 3, 32, 32))
            self.assertEqual(labels.tolist(), [0] * 5 + [9] * 5)
            self.assertEqual(pixels[:, 2, 31, 31].tolist(), [1, 3, 5, 7, 9, 0, 2, 4, 6, 8])
            self.assertEqual(cifar10.read(root, "test")[0].max(), 77)

    def test_a_pickle_that_would_run_something_is_an_error(self):
        (self.root / "test_batch").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
        with self.assertRaisesRegex(pickle.UnpicklingError, "posix.system|os.system"):
            cifar10.read(self.root, "test")

    def test_folders_are_read_in_the_order_of_paths(self):
        for name, value in (("dog/1.png", 30), ("dog/0.png", 20), ("cat/9.png", 10)):
            path = self.root / "train" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (32, 32), (value, 0, 1)).save(path)
        (self.root / "train/dog/notes.txt").write_text("no photo")
        pixels, labels, data = cifar10.read(self.root, "train")
        self.assertEqual(labels.tolist(), [3, 5, 5])
        self.assertEqual(pixels[:, :, 0, 0].tolist(), [[10, 0, 1], [20, 0, 1], [30, 0, 1]])
        self.assertEqual(data, "as PNG files in the order of sorted paths")

    def test_the_quality_of_jpeg_files_is_told(self):
        path = self.root / "test" / "dog" / "0.jpg"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(path, quality=75)
        self.assertEqual(cifar10.read(self.root, "test")[2], "as JPEG files at quality 75 in the order of sorted paths")

    def test_a_folder_without_photos_is_an_error(self):
        with self.assertRaisesRegex(SystemExit, "neither"):
            cifar10.read(self.root, "train")


if __name__ == "__main__":
    unittest.main()
