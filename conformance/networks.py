#!/usr/bin/env python3
"""Every entry point of timm's vision_transformer.py, deit.py, convmixer.py and mlp_mixer.py: a
folder with random weights, served, against timm on the same photos. A JSON object a line.

  networks.py BINARIES OUT.jsonl [--only=REGEX] [--photos=N] [--seconds=S]

Vision transformers have their own width, heads and picture size, but two blocks, or one
where two would take long. Names of which timm lists weights without a classifier only have none
here either: their embeddings are compared. The cheapest come first; after S seconds no other is begun.
What stands in OUT already isn't measured again.
"""

import argparse
import json
import math
import pathlib
import re
import sys
import tempfile
import time
import warnings

import numpy as np
import safetensors.torch
import timm
import torch
from timm.models._hub import save_config_for_hf
from timm.models._registry import _deprecated_models, _model_default_cfgs, _module_to_models

import asking
import sources
from measured import rows_to_go_on_from

sys.path.append(str(sources.ROOT / "tools"))
from make_model_golden import randomise  # noqa: E402: found by the path above

TOLERANCE = 2e-4  # relative to the largest logit
LONG = 12e9  # multiplications a photo: about half a second of a core
BATCH = 4  # photos that timm is given at once
FORMS = ("today's", "without model_args", "flat")
TYPES = (torch.float32, torch.float16, torch.bfloat16)
MODULES = ("vision_transformer", "deit", "convmixer", "mlp_mixer")
WHOLE = ("convmixer", "mlp_mixer")  # whose entry points take no other depth


def entry_points():
    """(name, module) of each, without the old names of others."""
    return [(name, module) for module in MODULES
            for name in sorted(_module_to_models[module]) if name not in _deprecated_models]


def headless(name):
    """Whether timm lists weights of this name, and all of them without a classifier."""
    classes = [cfg.num_classes for cfg in _model_default_cfgs[name].cfgs.values() if cfg.has_weights]
    return bool(classes) and not any(classes)


def multiplications(name, module):
    """About how many two blocks take for a photo, or all of those that always have their own depth."""
    with torch.device("meta"):
        model = timm.create_model(name, **({} if module in WHOLE else {"depth": 2}))
    if module == "convmixer":
        patches = (model.default_cfg["input_size"][-1] // model.stem[0].stride[0]) ** 2
    else:
        patches = (model.stem if module == "mlp_mixer" else model.patch_embed).num_patches
    return patches * sum(p.numel() for p in model.blocks.parameters())


def build(name, module):
    more = {} if module in WHOLE else {"depth": 1 if multiplications(name, module) > LONG else 2}
    model = timm.create_model(name, num_classes=0 if headless(name) else 1000, **more).eval()
    randomise(model, seed=1)
    if name.startswith("gmixer"):
        # Gates multiply: with more than this, timm's float32 is 5e-4 off its own float64.
        with torch.no_grad():
            for key, tensor in model.named_parameters():
                if key.endswith("fc2.weight"):
                    tensor *= 0.25
    return model, more


def write(folder, model, more, form, dtype):
    """The folder that timm would write, in one of config.json's three forms."""
    save_config_for_hf(model, folder / "config.json", model_args=more)
    config = json.loads((folder / "config.json").read_text())
    if form != "today's":
        del config["model_args"]
    if form == "flat":
        del config["global_pool"]  # timm reads no such field in this form
        config = {**config.pop("pretrained_cfg"), **config}
    (folder / "config.json").write_text(json.dumps(config))
    weights = {k: v.to(dtype) if v.is_floating_point() else v for k, v in model.state_dict().items()}
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def reloaded(folder, more):
    """The network that timm makes of the folder. Without model_args it may be another than the one that was written:
    vit_intern300m's positions are for 448 pixels then, built for 224, and resized twice."""
    return timm.create_model(f"local-dir:{folder}", pretrained=True, **more).eval()


def timms_answers(model, pictures):
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model))
    logits, embeddings = [], []
    with torch.inference_mode():
        for images in torch.stack([transform(picture) for _, picture in pictures]).split(BATCH):
            features = model.forward_features(images)
            embeddings.append(model.forward_head(features, pre_logits=True).numpy())
            if model.num_classes:
                logits.append(model.forward_head(features).numpy())
    return np.concatenate(logits) if logits else None, np.concatenate(embeddings)


def relative(got, expected):
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def same_order(got, expected):
    """Whether the five best are in timm's order, but for those that timm has as good as equal."""
    for ours, theirs in zip(got, expected):
        best = np.argsort(-theirs)[:6]
        gaps = theirs[best[:5]] - theirs[best[1:]]
        clear = gaps > TOLERANCE * np.abs(expected).max()
        order = np.argsort(-ours)[:6]
        # A rank is fixed where the gaps above and below it are clear.
        fixed = clear & np.concatenate([[True], clear[:-1]])
        if (order[:5][fixed] != best[:5][fixed]).any():
            return False
    return True


def measure(binaries, name, module, form, dtype, pictures):
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        model, more = build(name, module)
        write(folder, model, more, form, dtype)
        model = reloaded(folder, more)
        row = {"name": name, "module": module, "form": form, "type": str(dtype).removeprefix("torch."), **more}
        try:
            with asking.serving(binaries, f"--models=model={folder}", "--precision=float32", "--max_batch=1") as stub:
                logits, embeddings = asking.answers(stub, [file for file, _ in pictures])
        except RuntimeError as error:
            return dict(row, refused=re.search(r"can't be served: \S+: (.*)", str(error))[1])
    expected_logits, expected_embeddings = timms_answers(model, pictures)
    row |= {"embedding": relative(embeddings, expected_embeddings), "photos": len(pictures)}
    if expected_logits is None:
        return dict(row, spread=float(expected_embeddings.std()))
    return dict(row, logits=relative(logits, expected_logits), same_order=same_order(logits, expected_logits),
                spread=float(expected_logits.std()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binaries", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=math.inf)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(2)
    end = time.monotonic() + options.seconds

    done = {row["name"] for row in rows_to_go_on_from(options.out)}
    todo = [(name, module, FORMS[i % 3], TYPES[i // 3 % 3]) for i, (name, module) in enumerate(entry_points())
            if name not in done and re.search(options.only, name)]
    pictures = sources.photos(options.photos)
    with options.out.open("a") as out:
        for which in sorted(todo, key=lambda which: multiplications(*which[:2])):
            if time.monotonic() > end:
                break
            row = measure(options.binaries, *which, pictures)
            print(json.dumps(row), file=out, flush=True)
            print(row, flush=True)


if __name__ == "__main__":
    main()
