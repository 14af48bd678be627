#!/usr/bin/env python3
"""Top-1 of the bundled models on the CIFAR-10 test photos, through a running server, against PyTorch.

  pip install torch==2.11.0 timm==1.0.31 safetensors pillow
  make build
  bench/measure_accuracy.py --data CIFAR/test

Starts build/bin/patchserve once for each model and precision, sends it every photo with
`classify --stream`, and runs timm's model and evaluation transform in float32 on the same
weights. In float32 the two must name the same class for every photo but those where
PyTorch's two best logits differ by less than 1e-4; if they don't, or a photo isn't
answered, the exit code is 1.

bfloat16 is slow on a CPU without instructions for it: --precisions float32 leaves it out.

--data is the folder cifar-10-batches-py that CIFAR-10's authors publish (tools/cifar10.py says
where; its photos are sent as PNG files), or one of <class>/*.jpg or .png, the classes named as
the models' label_names. The bundled models' cards were measured on JPEG files of quality 75,
on which they were trained.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import safetensors.torch
import timm.data
import torch
from PIL import Image
from server import BIN, Server
from timm.models.convmixer import ConvMixer

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
import cifar10

MODELS = pathlib.Path(__file__).resolve().parents[1] / "models"
TIE = 1e-4  # PyTorch's two best logits are nearer than this: either answer is right


def load(folder):
    """-> timm's model in float32, its evaluation transform, its class names."""
    config = json.loads((folder / "config.json").read_text())
    arguments = dict(num_classes=config["num_classes"], **config.get("model_args", {}))
    if config["architecture"].startswith("convmixer"):
        model = ConvMixer(**arguments)  # timm has names for its own few sizes only
    else:
        model = timm.create_model(config["architecture"], **arguments)
    model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
    preprocessing = timm.data.resolve_data_config({}, pretrained_cfg=config["pretrained_cfg"])
    return model.float().eval(), timm.data.create_transform(**preprocessing), config["label_names"]


@torch.no_grad()
def ask_pytorch(folder, photos):
    """-> {photo: (class name, its logit minus the second best's)}"""
    model, transform, labels = load(folder)
    answers = {}
    for start in range(0, len(photos), 100):
        some = photos[start:start + 100]
        logits = model(torch.stack([transform(Image.open(photo).convert("RGB")) for photo in some]))
        best = logits.topk(2)
        for photo, values, ids in zip(some, best.values, best.indices):
            answers[photo] = labels[ids[0]], (values[0] - values[1]).item()
    return answers


def ask_server(binaries, folder, precision, *data):
    """data: files or folders -> {photo: class name}"""
    with Server(binaries / "patchserve", f"--models={folder}", f"--precision={precision}",
                "--default_deadline=1h") as server:
        lines = subprocess.run(
            [binaries / "classify", f"--server={server.address}", "--stream", "--concurrency=16", "--top_k=1",
             "--deadline=inf", "--output=json", *data], stdout=subprocess.PIPE, text=True).stdout
    answers = map(json.loads, lines.splitlines())
    return {pathlib.Path(answer["file"]): answer["predictions"][0]["label"] for answer in answers}


def write_photos(data, scratch):
    """The authors' test photos as PNG files: <class>/<number>.png."""
    for number, (pixels, label) in enumerate(zip(*cifar10.read(data, "test")[:2])):
        path = scratch / cifar10.CLASSES[label] / f"{number:05}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels.transpose(1, 2, 0)).save(path)


def accuracy(photos, answers):
    """answers: {photo: class name}; a photo's folder is named for what it shows."""
    return sum(answers.get(photo) == photo.parent.name for photo in photos) / len(photos)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, nargs="+", default=[
        MODELS / "convmixer_cifar10", MODELS / "vit_cifar10"], help="checkpoint folders")
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--bin", type=pathlib.Path, default=BIN, help="holds patchserve and classify")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        if cifar10.batches(args.data):
            write_photos(args.data, pathlib.Path(scratch))
            args.data = pathlib.Path(scratch)
        measure(args)


def measure(args):
    photos = sorted(path for path in args.data.glob("*/*") if path.suffix.lower() in cifar10.PHOTOS)
    if not photos:
        sys.exit(f"no photos: {args.data}/<class>/*.jpg or .png")
    print(f"{len(photos)} photos in {args.data}, PyTorch {torch.__version__}, timm {timm.__version__}\n")
    print("| model | precision | top-1 through the server | top-1 of PyTorch, float32 | same answer |")
    print("|---|---|---:|---:|---:|", flush=True)
    broken = []
    for folder in args.models:
        expected = ask_pytorch(folder, photos)
        labels = {photo: label for photo, (label, _) in expected.items()}
        for precision in args.precisions:
            served = ask_server(args.bin, folder, precision, args.data)
            gaps = sorted(expected[photo][1] for photo in photos if served.get(photo) != labels[photo])
            print(f"| {folder.name} | {precision} | {accuracy(photos, served):.2%} | "
                  f"{accuracy(photos, labels):.2%} | {len(photos) - len(gaps)} of {len(photos)} |", flush=True)
            if gaps:
                print(f"{folder.name}, {precision}: {len(gaps)} differ; PyTorch's two best logits are there "
                      f"{gaps[0]:.2g} to {gaps[-1]:.2g} apart", file=sys.stderr)
            if len(served) < len(photos) or (precision == "float32" and any(gap >= TIE for gap in gaps)):
                broken.append(f"{folder.name} in {precision}")
    if broken:
        sys.exit("answers differ from PyTorch's, or are missing: " + ", ".join(broken))


if __name__ == "__main__":
    main()
