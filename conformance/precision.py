#!/usr/bin/env python3
"""bfloat16 against float32. A JSON object a line.

  precision.py BINARIES OUT.jsonl [--data=CIFAR/test] [--models FOLDER ...] [--photos=N] [--seconds=S]

Random weights of vit_base's size: how many of the five best classes are the same. With
--data, also the trained models on N photos of each class there (a folder of <class>/*.jpg,
see bench/measure_accuracy.py): how often both are right, and agree; a line a class.

What stands in OUT already, with the same weights, isn't measured again; after S seconds no
other class is begun.
"""

import argparse
import hashlib
import json
import math
import pathlib
import subprocess
import tempfile
import time

import numpy as np

import asking
import sources
from measure_accuracy import MODELS, accuracy, ask_server  # beside server.py, which asking has found
from measured import rows_to_go_on_from

RANDOM = "vit_base_patch16_224"
PRECISIONS = ("float32", "bfloat16")


def random_weights(binaries):
    files = [file for file, _ in sources.photos(100)]
    logits = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([binaries / "make_random_checkpoint", RANDOM, folder], check=True)
        for precision in PRECISIONS:
            with asking.serving(binaries, f"--models=model={folder}", f"--precision={precision}") as stub:
                logits[precision], _ = asking.answers(stub, files)
    best = {precision: np.argsort(-values)[:, :5] for precision, values in logits.items()}
    overlap = [len(set(a) & set(b)) / 5 for a, b in zip(best["float32"], best["bfloat16"])]
    return {"photos": len(files), "top5_overlap": float(np.mean(overlap)),
            "top1_agreement": float((best["float32"][:, 0] == best["bfloat16"][:, 0]).mean()),
            "logits": float(np.abs(logits["float32"] - logits["bfloat16"]).max() / np.abs(logits["float32"]).max())}


def trained_weights(binaries, folder, photos):
    answers = {precision: ask_server(binaries, folder, precision, *photos) for precision in PRECISIONS}
    if any(set(given) != set(photos) for given in answers.values()):
        raise RuntimeError(f"{folder.name}: not every photo was answered")
    return {"photos": len(photos),
            "right": {precision: round(accuracy(photos, given) * len(photos)) for precision, given in answers.items()},
            "same": sum(answers["float32"][photo] == answers["bfloat16"][photo] for photo in photos)}


def tasks(options):
    """(what identifies a line, the function that measures the rest) of each."""
    yield {"model": RANDOM}, lambda: random_weights(options.binaries)
    for folder in options.models if options.data else []:
        weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:12]
        for shown in sorted(path for path in options.data.iterdir() if path.is_dir()):
            photos = sorted(shown.glob("*.jpg"))[:options.photos]
            yield ({"model": folder.name, "weights": weights, "class": shown.name},
                   lambda folder=folder, photos=photos: trained_weights(options.binaries, folder, photos))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binaries", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--models", type=pathlib.Path, nargs="+", default=sorted(MODELS.glob("*_cifar10")))
    parser.add_argument("--photos", type=int, help="of each class; all, if not given")
    parser.add_argument("--seconds", type=float, default=math.inf)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds

    done = rows_to_go_on_from(options.out)
    with options.out.open("a") as out:
        for which, measure in tasks(options):
            if time.monotonic() > end:
                break
            if not any(which.items() <= row.items() for row in done):
                print(json.dumps(which | measure()), file=out, flush=True)


if __name__ == "__main__":
    main()
