#!/usr/bin/env python3
"""Trains the bundled models on CIFAR-10 and writes timm checkpoint folders.

  pip install torch==2.11.0 timm==1.0.31 safetensors pillow
  curl -O https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz && tar xf cifar-10-python.tar.gz
  tools/train_cifar10.py --model convmixer --data cifar-10-batches-py --out models/convmixer_cifar10
  tools/train_cifar10.py --model vit       --data cifar-10-batches-py --out models/vit_cifar10

The cards of the bundled models give the flags of the runs that made them. --data is the
folder that CIFAR-10's authors publish, as above, or one with train/<class>/ and
test/<class>/ full of JPEG or PNG files. The bundled models were trained on JPEG files of
quality 75 with halved chroma, which aren't quite the authors' pixels; the order of
the photos decides the batches. So from the authors' folder such a run gives a
model of about the same accuracy, not the same weights.

After every epoch the whole state goes to STATE (default: OUT with ".train" appended),
so a run that is stopped goes on from there when it is started again with the same
command; what it prints is appended to OUT.log beside it. On one machine with one
device, thread count and set of photos the seed fixes the result.
"""

import argparse
import datetime
import json
import os
import pathlib
import time

import cifar10
import model_card
import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from timm.models.convmixer import ConvMixer
from timm.models.vision_transformer import VisionTransformer

from cifar10 import CLASSES
from optimizers import Optimizers

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)

@torch.no_grad()
def mimetic(vit):
    """Trockman and Kolter, "Mimetic Initialization of Self-Attention Layers" (arXiv 2305.09828).

    Attention starts out looking near itself: in each head W_q W_k^T is near 0.7 I, in
    each layer W_v W_proj near -0.4 I, both plus noise of the same size, and positions
    are sinusoids in two dimensions.
    """
    dim, grid = vit.embed_dim, vit.patch_embed.grid_size
    for block in vit.blocks:
        heads, width = block.attn.num_heads, block.attn.head_dim
        wq, wk, wv = block.attn.qkv.weight.view(3, dim, dim)
        for head in range(heads):
            rows = slice(head * width, (head + 1) * width)
            u, s, vt = torch.linalg.svd(0.7 * torch.randn(dim, dim) / dim ** 0.5 + 0.7 * torch.eye(dim))
            root = s[:width].sqrt()
            wq[rows] = (u[:, :width] * root).T
            wk[rows] = vt[:width] * root[:, None]
        u, s, vt = torch.linalg.svd(0.4 * torch.randn(dim, dim) / dim ** 0.5 - 0.4 * torch.eye(dim))
        wv.copy_((u * s.sqrt()).T)
        block.attn.proj.weight.copy_((s.sqrt()[:, None] * vt).T)
    frequencies = 10000 ** (-torch.arange(dim // 4) / (dim // 4))
    y, x = torch.meshgrid(*(torch.arange(side).float() for side in grid), indexing="ij")
    angles = torch.cat([y.reshape(-1, 1) * frequencies, x.reshape(-1, 1) * frequencies], dim=1)
    vit.pos_embed[0, 1:] = 0.5 * torch.cat([angles.sin(), angles.cos()], dim=1)


# One entry a model: how it is built, and the recipe. The ConvMixer's schedule is
# that of its authors' CIFAR-10 script (linear to peak_lr at 2/5 of the run, to a
# twentieth at 4/5, to 0 at the end); the ViT's is DeiT's (warm-up, cosine), from a
# mimetic initialisation, without which so short a training doesn't find locality.
MODELS = {
    "convmixer": dict(
        architecture="convmixer_128_8",
        make=ConvMixer,
        model_args=dict(dim=128, depth=8, kernel_size=5, patch_size=2),
        first_conv="stem.0",
        initialise=lambda model: None,
        defaults=dict(schedule="piecewise", peak_lr=0.006, weight_decay=0.01, batch=64, label_smoothing=0.0, small_until=0.5, muon_factor=1, stretch=0.0, cut_out=0),
    ),
    "vit": dict(
        architecture="vit_tiny_patch16_224",
        make=VisionTransformer,
        model_args=dict(img_size=32, patch_size=4, embed_dim=128, depth=6, num_heads=4, mlp_ratio=2.0),
        first_conv="patch_embed.proj",
        initialise=mimetic,
        defaults=dict(schedule="cosine", peak_lr=0.001, weight_decay=0.05, batch=64, label_smoothing=0.1, small_until=0.0, muon_factor=4, stretch=0.0, cut_out=0),
    ),
}

SCHEDULE = {
    "piecewise": "linear to {peak_lr} at 2/5 of the run, to a twentieth at 4/5, to 0 at the end (the ConvMixer "
                 "authors' CIFAR-10 schedule)",
    "cosine": "warm-up to {peak_lr}, then cosine",
    "linear": "warm-up to {peak_lr}, then linear to 0",
}


def describe(args):
    """The recipe in words, for the model card."""
    parts = [{"adamw": "AdamW", "muon": f"Muon for the blocks' matrices (learning rate times {args.muon_factor}), "
                                        "AdamW for the rest"}[args.optimizer],
             "learning rate " + SCHEDULE[args.schedule].format(peak_lr=args.peak_lr),
             f"weight decay {args.weight_decay}", f"batches of {args.batch}", "gradient norm clipped to 1",
             "random crops and mirroring"]
    if args.small_until:
        parts.append(f"crops of 24 pixels in the first {args.small_until:.0%} of the run, of 32 afterwards")
    if args.stretch:
        parts.append(f"sides stretched by up to {args.stretch:.0%}")
    if args.cut_out:
        parts.append(f"a square of {args.cut_out} pixels cut out")
    if args.label_smoothing:
        parts.append(f"label smoothing {args.label_smoothing}")
    if args.start:
        parts.append("started from the weights of the run before"
                     + (", the result is the mean of those and of its own" if args.average else ""))
    elif args.model == "vit":
        parts.append("mimetic initialisation (Trockman and Kolter, 2023)")
    return ", ".join(parts)


def normalise(images):
    mean = torch.tensor(MEAN, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=images.device).view(1, 3, 1, 1)
    return (images.float() / 255 - mean) / std


def augment(images, size, generator):
    """A random crop of size x size after reflecting 4 pixels at each side, and a mirror half the time."""
    n = len(images)
    padded = F.pad(images.float(), (4, 4, 4, 4), mode="reflect")
    top, left = torch.randint(0, 41 - size, (2, n), generator=generator).to(images.device)
    rows = (top[:, None] + torch.arange(size, device=images.device))[:, None, :, None]
    columns = left[:, None] + torch.arange(size, device=images.device)
    mirror = (torch.rand(n, generator=generator) < 0.5).to(images.device)
    columns = torch.where(mirror[:, None], columns.flip(1), columns)[:, None, None, :]
    which = torch.arange(n, device=images.device)[:, None, None, None]
    return padded[which, torch.arange(3, device=images.device)[None, :, None, None], rows, columns]


def stretch(images, most, generator):
    """Each side of each photo is made longer or shorter by up to the part `most`, about the centre.

    What the ConvMixer authors' random resized crops do, but on average without a zoom, and
    what lies outside is reflected. Bicubic, as test photos are resized.
    """
    sides = 1 + most * (2 * torch.rand(len(images), 2, generator=generator) - 1)
    transform = F.pad(torch.diag_embed(sides), (0, 1)).to(images.device)
    grid = F.affine_grid(transform, images.shape, align_corners=False)
    return F.grid_sample(images, grid, mode="bicubic", padding_mode="reflection", align_corners=False)


def cut_out(images, side, generator):
    """A square of side x side of each normalised image becomes the mean (DeVries and Taylor, arXiv 1708.04552)."""
    n, size = len(images), images.shape[-1]
    centre = torch.randint(0, size, (2, n, 1), generator=generator).to(images.device)
    rows, columns = (torch.arange(size, device=images.device) - centre + side // 2).clamp(-1, side).unbind()
    inside = ((rows >= 0) & (rows < side))[:, None, :, None] & ((columns >= 0) & (columns < side))[:, None, None, :]
    return images.masked_fill(inside, 0)


def learning_rate(schedule, peak, progress):
    """progress: 0 at the first step, 1 at the end."""
    if schedule == "piecewise":
        return float(np.interp(progress, [0, 0.4, 0.8, 1], [0, peak, peak / 20, 0]))
    if schedule == "linear":
        return float(np.interp(progress, [0, 0.05, 1], [0, peak, 0]))
    warm_up = 0.1
    if progress < warm_up:
        return peak * progress / warm_up
    return peak * 0.5 * (1 + float(np.cos(np.pi * (progress - warm_up) / (1 - warm_up))))


@torch.no_grad()
def predict(model, images):
    model.eval()
    logits = torch.cat([model(normalise(part)).float().cpu() for part in images.split(250)])
    model.train()
    return logits


def train_epoch(model, optimizer, args, images, labels, generator, epoch):
    order = torch.randperm(len(images), generator=generator)
    steps = len(images) // args.batch
    total = 0.0
    for step in range(steps):
        progress = (epoch + step / steps) / args.epochs
        optimizer.set_learning_rate(learning_rate(args.schedule, args.peak_lr, progress))
        rows = order[step * args.batch:(step + 1) * args.batch].to(images.device)
        batch = normalise(augment(images[rows], 24 if progress < args.small_until else 32, generator))
        if args.stretch:
            batch = stretch(batch, args.stretch, generator)
        if args.cut_out:
            batch = cut_out(batch, args.cut_out, generator)
        loss = F.cross_entropy(model(batch.contiguous(memory_format=torch.channels_last)), labels[rows],
                               label_smoothing=args.label_smoothing)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.item()
    return total / steps


@torch.no_grad()
def average(model, others):
    """The mean of both, means and variances of batch norms included: the two are near each other."""
    for name, weights in model.state_dict().items():
        if weights.is_floating_point():
            weights.lerp_(others[name], 0.5)


def command(args):
    """What repeats this run, but for the folders."""
    flags = ["model", "epochs", "seed", "threads", "optimizer", *MODELS[args.model]["defaults"]]
    more = (" --start RUN_BEFORE" if args.start else "") + (" --average" if args.average else "")
    return " ".join(f"--{f} {getattr(args, f)}" for f in flags) + more


def runs_before(args):
    if not args.start:
        return []
    try:
        return json.loads((args.start / "results.json").read_text())["runs"]
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"--start {args.start} has no results.json that tells of the runs before: {error}") from error


def write_checkpoint(model, recipe, args, before, data, logits, labels, cpu_seconds):
    """The folder as timm writes it, and the model card with its figures."""
    out = args.out
    out.mkdir(parents=True, exist_ok=True)
    config = {
        "architecture": recipe["architecture"],
        "num_classes": len(CLASSES),
        "num_features": model.num_features,
        "global_pool": "avg" if args.model == "convmixer" else "token",
        "label_names": CLASSES,
        "model_args": recipe["model_args"],
        "pretrained_cfg": {
            "tag": "cifar10", "input_size": [3, 32, 32], "fixed_input_size": args.model == "vit",
            "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center", "mean": MEAN, "std": STD,
            "num_classes": len(CLASSES), "first_conv": recipe["first_conv"], "classifier": "head",
            "license": "apache-2.0",
        },
    }
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    weights = {k: v.detach().cpu().contiguous().clone() for k, v in model.state_dict().items()}
    safetensors.torch.save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    os.chmod(out / "model.safetensors", 0o644)
    confusion = torch.zeros(10, 10, dtype=torch.int64)
    confusion.index_put_((labels, logits.argmax(1)), torch.ones(len(labels), dtype=torch.int64), accumulate=True)
    results = {
        "model": args.model, "when": f"{datetime.date.today():%Y-%m-%d}",
        "top1": (logits.argmax(1) == labels).float().mean().item(), "test_photos": len(labels),
        "parameters": sum(p.numel() for p in model.parameters()), "precision": "float32",
        "runs": [*before, {"recipe": describe(args), "command": command(args), "device": args.device, "data": data,
                           "cpu_minutes": cpu_seconds / 60}],
        "confusion": {name: row.tolist() for name, row in zip(CLASSES, confusion)},
    }
    (out / "results.json").write_text(json.dumps(results) + "\n")
    model_card.write_card(out)
    return results["top1"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="cifar-10-batches-py, or folders of photos")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--state", type=pathlib.Path, help="where a stopped run goes on from; default OUT.train")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=pathlib.Path, help="a checkpoint folder to go on from, instead of afresh")
    parser.add_argument("--average", action="store_true",
                        help="with --start: the result is the mean of the weights before and after (Izmailov et al., arXiv 1803.05407)")
    parser.add_argument("--optimizer", choices=["muon", "adamw"], default="muon")
    parser.add_argument("--schedule", choices=SCHEDULE)
    parser.add_argument("--batch", type=int)
    for name in ["peak_lr", "weight_decay", "label_smoothing", "muon_factor"]:
        parser.add_argument(f"--{name}", type=float)
    parser.add_argument("--stretch", type=float, metavar="PART", help="by how much each photo's sides are stretched at most")
    parser.add_argument("--small_until", type=float, help="the part of the run with crops of 24 pixels")
    parser.add_argument("--cut_out", type=int, metavar="PIXELS", help="the side of a square that is cut out of each photo")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = parser.parse_args()
    state_file = args.state or args.out.with_name(args.out.name + ".train")
    if args.average and not args.start:
        parser.error("--average needs --start")
    before = runs_before(args)  # now, and not after hours of training

    state_file.parent.mkdir(parents=True, exist_ok=True)
    log_file = state_file.with_name(args.out.name + ".log")

    def log(line):
        print(line, flush=True)
        with open(log_file, "a") as file:
            file.write(line + "\n")

    os.nice(19)
    torch.set_num_threads(args.threads)
    # GELU's gradient far below zero is denormal: on a CPU that doubled the time of an epoch.
    torch.set_flush_denormal(True)
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    recipe = MODELS[args.model]
    for name, value in recipe["defaults"].items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    model = recipe["make"](num_classes=len(CLASSES), **recipe["model_args"])
    if args.start:
        model.load_state_dict(safetensors.torch.load_file(args.start / "model.safetensors"))
    else:
        recipe["initialise"](model)
    model = model.to(args.device, memory_format=torch.channels_last)
    optimizer = Optimizers(model, args)
    first_epoch, cpu_seconds = 0, 0.0
    images, labels, data = cifar10.read(args.data, "train")
    log(f"{datetime.datetime.now():%Y-%m-%d %H:%M} {command(args)} --device {args.device}, on {len(labels)} photos {data}")
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        if state["run"] != command(args):
            raise SystemExit(f"{state_file} is of another run: {state['run']}")
        for what, now in (("device", args.device), ("data", data)):
            if state.get(what, now) != now:
                raise SystemExit(f"{state_file} is of a run with another {what}: {state[what]}, now {now}")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        generator.set_state(state["generator"])
        first_epoch = state["epoch"]
        cpu_seconds = state["cpu_seconds"]
        log(f"going on after epoch {first_epoch}")

    images, labels = (torch.from_numpy(array).to(args.device) for array in (images, labels))
    test_images, test_labels = (torch.from_numpy(array) for array in cifar10.read(args.data, "test")[:2])
    test_images = test_images.to(args.device)
    some = torch.randperm(len(test_images), generator=torch.Generator().manual_seed(0))[:1000]
    for epoch in range(first_epoch, args.epochs):
        start, cpu = time.time(), time.process_time()
        loss = train_epoch(model, optimizer, args, images, labels, generator, epoch)
        top1 = (predict(model, test_images[some]).argmax(1) == test_labels[some]).float().mean()
        epoch_cpu = time.process_time() - cpu
        cpu_seconds += epoch_cpu
        log(f"epoch {epoch + 1}/{args.epochs} loss {loss:.4f} top-1 of 1,000 test photos {top1:.3f} "
            f"{time.time() - start:.0f} s, {epoch_cpu:.0f} CPU-s")
        state = dict(run=command(args), device=args.device, data=data, epoch=epoch + 1, cpu_seconds=cpu_seconds,
                     model=model.state_dict(), optimizer=optimizer.state_dict(), generator=generator.get_state())
        torch.save(state, str(state_file) + ".new")
        os.replace(str(state_file) + ".new", state_file)
    if args.average:
        average(model, safetensors.torch.load_file(args.start / "model.safetensors", device=args.device))
    top1 = write_checkpoint(model, recipe, args, before, data, predict(model, test_images), test_labels, cpu_seconds)
    log(f"top-1 on {len(test_labels)} test photos: {top1:.4f}; wrote {args.out}")


if __name__ == "__main__":
    main()
