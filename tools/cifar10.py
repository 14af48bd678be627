"""Reads CIFAR-10 (Krizhevsky, 2009): as its authors publish it, or as folders of photos.

https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz unpacks to cifar-10-batches-py, with
data_batch_1 to data_batch_5 and test_batch; torchvision leaves the same. They are pickles,
which can run code where they are read: this reader takes arrays, lists, texts and
numbers, and fails at anything else.
"""

import io
import pathlib
import pickle

import numpy as np

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
PHOTOS = (".jpg", ".jpeg", ".png")


class BatchUnpickler(pickle.Unpickler):
    ARRAYS = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
              ("numpy", "ndarray"), ("numpy", "dtype")}

    def find_class(self, module, name):
        if (module, name) not in self.ARRAYS:
            raise pickle.UnpicklingError(f"{module}.{name} isn't part of CIFAR-10")
        return super().find_class(module, name)


def batches(root):
    """The authors' folder: root, or cifar-10-batches-py in it; None if there is none."""
    for folder in (root, root / "cifar-10-batches-py"):
        if (folder / "test_batch").exists():
            return folder
    return None


def read_batches(folder, names):
    pixels, labels = [], []
    for name in names:
        with open(folder / name, "rb") as file:
            batch = BatchUnpickler(file, encoding="bytes").load()
        pixels.append(batch[b"data"].reshape(-1, 3, 32, 32))
        labels += batch[b"labels"]
    by_class = np.argsort(labels, kind="stable")  # as the folders are read
    return np.concatenate(pixels)[by_class], np.array(labels)[by_class]


def jpeg_quality(path):
    """Pillow's quality with the same quantization tables; None if there is none."""
    from PIL import Image
    with Image.open(path) as image:
        tables = image.quantization
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
        if Image.open(file).quantization == tables:
            return quality
    return None


def read(root, split):
    """split: "train" or "test" -> uint8 [N, 3, 32, 32], int64 [N], and in words what was read.

    Ordered by class, and there by path, or as in the authors' files.
    """
    root = pathlib.Path(root)
    folder = batches(root)
    if folder:
        names = ["test_batch"] if split == "test" else [f"data_batch_{i}" for i in range(1, 6)]
        return *read_batches(folder, names), "as in its authors' cifar-10-batches-py, class by class"
    from PIL import Image
    pixels, labels, first = [], [], {}
    for label, name in enumerate(CLASSES):
        for path in sorted((root / split / name).glob("*")):
            if path.suffix.lower() in PHOTOS:
                first.setdefault("PNG" if path.suffix.lower() == ".png" else "JPEG", path)
                pixels.append(np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1))
                labels.append(label)
    if not pixels:
        raise SystemExit(f"{root}: neither the authors' data_batch_1 and so on, nor photos in {split}/<class>/")
    kinds = [kind + (f" files at quality {jpeg_quality(path)}" if kind == "JPEG" else " files")
             for kind, path in sorted(first.items())]
    return np.stack(pixels), np.array(labels), f"as {' and '.join(kinds)} in the order of sorted paths"
