"""Triton's own Python examples, unmodified, against the server and the bundled models.

usage: bench/python.sh conformance/oip/requirements-triton.txt \
           conformance/oip/triton_examples.py CHECKOUT [--build=build]

CHECKOUT: https://github.com/triton-inference-server/client. Prints a table of what passes and of what
asks for something else than an image classifier; fails if one that should pass doesn't.
"""

import argparse
import fnmatch
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "bench"))

from server import Server  # noqa: E402

PHOTO = ROOT / "tests" / "data" / "images" / "chelsea.jpg"
TENSORS = "-m simple.tensor -s INCEPTION -c 3 {photo}"
# What passes: the example and its arguments. The model "simple" is vit_cifar10.
PASSING = [
    ("simple_grpc_health_metadata.py", ""),
    ("image_client.py", "-i grpc " + TENSORS),
    ("image_client.py", "-i grpc -a " + TENSORS),
    ("image_client.py", "-i grpc -a --streaming " + TENSORS),
    ("image_client.py", "-i grpc -b 8 -m simple.tensor -s INCEPTION {folder}"),
    ("grpc_image_client.py", TENSORS),
    ("grpc_image_client.py", "-a " + TENSORS),
    ("grpc_image_client.py", "--streaming " + TENSORS),
    ("ensemble_image_client.py", "-i grpc -m simple -c 3 {folder}"),
]
# What the others ask for; the first pattern that fits.
OTHERS = [
    ("*_http_*", "HTTP"),
    ("*shm*", "shared memory"),
    ("memory_growth_test.py", "HTTP"),
    ("*sequence*", "models that keep a state"),
    ("*custom_repeat*", "a model with several answers a request"),
    ("*model_control*", "eight models, and loading with another configuration"),
    ("grpc_client.py", 'the input "data_0" of densenet_onnx'),
    ("*", "a model that adds integers or strings"),
]


def hundred_photos(folder):
    for i in range(100):
        shutil.copy(PHOTO, folder / f"{i:03}.jpg")


def passes(examples, name, arguments, address):
    command = [sys.executable, examples / name, "-u", address, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    # Some print their failure and end with 0.
    good = done.returncode == 0 and "PASS" in done.stdout
    if name == "simple_grpc_health_metadata.py":  # says nothing where all is well
        good = done.returncode == 0 and "failed" not in done.stdout.lower()
    if not good:
        print(done.stdout + done.stderr, file=sys.stderr)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("checkout", type=pathlib.Path)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    options = parser.parse_args()
    examples = options.checkout / "src" / "python" / "examples"
    flags = f"--models=simple={ROOT / 'models' / 'vit_cifar10'}", "--server_name=triton"
    failed = 0
    print("| example | |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder, Server(options.build / "bin" / "patchserve", *flags) as server:
        hundred_photos(pathlib.Path(folder))
        for name, arguments in PASSING:
            good = passes(examples, name, arguments.format(photo=PHOTO, folder=folder).split(), server.address)
            failed += not good
            shown = arguments.format(photo="PHOTO", folder="FOLDER")
            print(f"| `{' '.join([name, *shown.split()])}` | {'passes' if good else 'FAILS'} |")
    tried = {name for name, _ in PASSING}
    for path in sorted(examples.glob("*.py")):
        if path.name not in tried:
            why = next(why for pattern, why in OTHERS if fnmatch.fnmatch(path.name, pattern))
            print(f"| `{path.name}` | wants {why} |")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
