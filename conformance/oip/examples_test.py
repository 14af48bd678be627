"""client/examples, as docs/clients.md runs them."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

EXAMPLES = ROOT / "client" / "examples"


def run(*command, **options):
    """-> the lines that it printed."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def photo(images):
    return str(images / "chelsea.jpg")


def assert_cat_first(lines, photo):
    file, probability, label = lines[0].split("\t")
    assert (file, label) == (photo, "cat")
    assert probability.endswith(" %") and float(probability[:-2]) > 50


def test_classify(address, photo):
    assert_cat_first(run(sys.executable, EXAMPLES / "python" / "classify.py", address, photo), photo)


def test_nearest(build, address, images, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for copy, name in (("cat", "chelsea"), ("same", "chelsea"), ("rocket", "rocket"), ("coffee", "coffee")):
        shutil.copy(images / f"{name}.jpg", photos / f"{copy}.jpg")
    run(build / "bin" / "classify", f"--server={address}", "--embedding=npy", "--to=photos", "photos/", cwd=tmp_path)
    lines = run(sys.executable, EXAMPLES / "python" / "nearest.py", "photos", "photos/cat.jpg", "2", cwd=tmp_path)
    assert len(lines) == 2
    assert lines[0] == "1.0000  photos/same.jpg"


def test_triton_classify(address, photo):
    lines = run(sys.executable, EXAMPLES / "python" / "triton_classify.py", address, photo, photo)
    assert len(lines) == 2
    for line in lines:
        file, *ranked = line.split()
        assert file == photo and len(ranked) == 3
        assert ranked[0].split(":")[1:] == ["3", "cat"]


def test_go(build, address, photo, tmp_path):
    folder = shutil.copytree(EXAMPLES / "go", tmp_path / "go")
    path = f"{os.environ['PATH']}:{build / 'conformance' / 'bin'}"
    run("protoc", "-I", ROOT / "proto", "--go_out=.", "--go_opt=module=patchserve", "--go-grpc_out=.",
        "--go-grpc_opt=module=patchserve", "patchserve/v1/classification.proto",
        cwd=folder, env={**os.environ, "PATH": path})
    assert_cat_first(run("go", "run", ".", address, photo, cwd=folder), photo)
