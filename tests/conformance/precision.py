#!/usr/bin/env python3
"""bfloat16 against float32 for random weights of vit_base's size: how many of the five best
classes are the same. (Trained models: tests/bench/measure_accuracy.py.)

  precision.py BINARIES OUT.json
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import asking
import sources

MODEL = "vit_base_patch16_224"


def main():
    binaries, out = map(pathlib.Path, sys.argv[1:])
    files = [file for file, _ in sources.photos(100)]
    logits = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([binaries / "make_random_checkpoint", MODEL, folder], check=True)
        for precision in ("float32", "bfloat16"):
            with asking.serving(binaries, f"--models=model={folder}", f"--precision={precision}") as stub:
                logits[precision], _ = asking.answers(stub, files)
    best = {precision: np.argsort(-values)[:, :5] for precision, values in logits.items()}
    overlap = [len(set(a) & set(b)) / 5 for a, b in zip(best["float32"], best["bfloat16"])]
    out.write_text(json.dumps({
        "model": MODEL, "photos": len(files), "top5_overlap": float(np.mean(overlap)),
        "top1_agreement": float((best["float32"][:, 0] == best["bfloat16"][:, 0]).mean()),
        "logits": float(np.abs(logits["float32"] - logits["bfloat16"]).max() / np.abs(logits["float32"]).max()),
    }) + "\n")


if __name__ == "__main__":
    main()
