#!/usr/bin/env python3
"""Writes the card (README.md) of a bundled model from what tools/train_cifar10.py left in its folder.

  tools/model_card.py models/convmixer_cifar10
"""

import json
import pathlib
import sys

CARD = """# {name}

A small {family}, trained from scratch on CIFAR-10 by `tools/train_cifar10.py`, so that `make run` has
something true to serve.

- **Top-1 accuracy**: {top1:.2%} of the {test_photos:,} CIFAR-10 test photos, float32, measured by PyTorch
  {when}; `bench/measure_accuracy.py` measures it through the server.
- **Architecture**: {architecture}, `{model_args}`; {parameters:,} parameters, {precision}.
- **Data**: the 50,000 CIFAR-10 training photos (Krizhevsky, 2009; 32x32), {data}.
  Other files, or another order of them, give other weights.
- **Training**: {runs}
- **Licence of the weights**: Apache-2.0, as the project.

## What it can't do

It knows ten classes and sees 32x32 pixels: whatever else is in a photo, it names the most similar of the ten.
Probabilities are not calibrated. It is a demonstration, not a model to decide anything by.

## Confusion

Rows: what a test photo shows. Columns: what the model says. Each row has 1,000 photos.

{confusion}
"""

# Of runs whose results don't say.
DATA = "as JPEG files at quality 75 in the order of sorted paths"


def confusion_table(confusion):
    names = list(confusion)
    rows = ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    rows += [f"| **{name}** | " + " | ".join(map(str, confusion[name])) + " |" for name in names]
    return "\n".join(rows)


def training(runs):
    """Each run in words and as its command, the first one first."""
    one = "\n  {number}. {recipe}:\n     `tools/train_cifar10.py --data CIFAR --out FOLDER {command} --device {device}`\n     ({device}, {cpu_minutes:.0f} CPU-minutes)."
    return "".join(one.format(number=number, **run) for number, run in enumerate(runs, 1))


def write_card(folder):
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    results = json.loads((folder / "results.json").read_text())
    card = CARD.format(
        name=folder.name, data="; then ".join(dict.fromkeys(run.get("data", DATA) for run in results["runs"])),
        runs=training(results["runs"]), architecture=config["architecture"],
        family={"convmixer": "ConvMixer", "vit": "plain ViT"}[results["model"]],
        model_args=", ".join(f"{k}={v}" for k, v in config["model_args"].items()),
        confusion=confusion_table(results["confusion"]),
        **{k: v for k, v in results.items() if k not in ("confusion", "runs")})
    (folder / "README.md").write_text(card)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        write_card(argument)
