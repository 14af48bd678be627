#!/usr/bin/env python3
"""Random options of timm's VisionTransformer in model_args: N small networks with random
weights in one server, against timm, which reads the same folders. A JSON object a line.

  options.py BINARIES OUT.jsonl [--networks=N] [--seed=S]
"""

import argparse
import json
import pathlib
import random
import tempfile
import warnings

import safetensors.torch
import timm
import torch
from timm.models._hub import save_config_for_hf

import asking
import sources
from networks import randomise, relative, same_order, timms_answers

NAMES = ("vit_tiny_patch16_224", "deit3_small_patch16_224", "eva_large_patch14_196", "flexivit_small",
         "vit_base_patch16_clip_224", "vit_base_patch16_clip_quickgelu_224", "vit_base_patch16_siglip_224",
         "vit_base_patch16_rpn_224", "vit_little_patch16_reg4_gap_256", "vit_giant_patch14_dinov2",
         "aimv2_large_patch14_224", "beit3_base_patch16_224", "vit_base_patch16_radio_v3",
         "vit_so150m2_patch16_reg1_gap_256", "test_vit3")
SWITCHES = ("qkv_bias", "qk_norm", "proj_bias", "scale_attn_norm", "scale_mlp_norm", "class_token", "no_embed_class",
            "pre_norm", "final_norm", "fc_norm", "pool_include_prefix", "dynamic_img_size")
OPTIONS = {key: (True, False) for key in SWITCHES} | {
    "global_pool": ("token", "avg", "max", "avgmax", "map"), "init_values": (0, 1e-5), "reg_tokens": (0, 1, 3),
    "norm_layer": ("layernorm", "rmsnorm"), "act_layer": ("gelu", "gelu_tanh", "quick_gelu", "relu", "silu"),
    "mlp_ratio": (2, 2.7, 4)}
SIDES = (32, 40, 45, (32, 48), (50, 33))


def network(random_, folder):
    """Writes a network's folder; returns what it was made with."""
    name = random_.choice(NAMES)
    args = {key: random_.choice(values) for key, values in OPTIONS.items() if random_.random() < 0.3}
    args |= {"img_size": random_.choice(SIDES), "patch_size": random_.choice((8, 10)), "embed_dim": 48, "depth": 2,
             "num_heads": random_.choice((2, 3, 4)), "num_classes": 20}
    if args.get("dynamic_img_size"):
        args["patch_size"] = 8  # of which timm wants pictures in whole numbers then
    model = timm.create_model(name, **args)
    randomise(model, random_.randrange(1 << 30))
    folder.mkdir()
    save_config_for_hf(model, folder / "config.json", model_args=args)
    safetensors.torch.save_file(model.state_dict(), folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    # Another size of picture than it was trained on.
    if args.get("dynamic_img_size"):
        config["pretrained_cfg"]["input_size"] = [3, 40, 32]
    if isinstance(args["img_size"], int) and random_.random() < 0.4:  # timm takes the old one for a square
        sizes = (64, None) if args.get("dynamic_img_size") else SIDES
        build_for(random_.choice(sizes), args, config["model_args"])
    (folder / "config.json").write_text(json.dumps(config))
    return {"name": name, "args": args}


def build_for(size, *args):
    """Another img_size, or none: timm then goes by the entry point's own."""
    for arguments in args:
        arguments["img_size"] = size
        if size is None:
            del arguments["img_size"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binaries", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--networks", type=int, default=300)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(2)
    random_ = random.Random(options.seed)
    pictures = sources.photos(3)
    with tempfile.TemporaryDirectory() as temporary, options.out.open("w") as out:
        made = {}
        while len(made) < options.networks:
            folder = pathlib.Path(temporary) / f"n{len(made):04}"
            try:
                made[folder.name] = network(random_, folder)
            except AssertionError:
                continue  # not for timm either
        with asking.serving(options.binaries, f"--models={temporary}", "--precision=float32", "--max_batch=1",
                            "--skip_broken_models") as stub:
            models = stub.ListModels(asking.messages.ListModelsRequest()).models
            states = {model.name: model.state_message for model in models}
            for name, row in made.items():
                if states[name]:
                    row["refused"] = states[name].replace(temporary, "")
                else:
                    model = timm.create_model(f"local-dir:{temporary}/{name}", pretrained=True).eval()
                    logits, embeddings = asking.answers(stub, [file for file, _ in pictures], name)
                    expected_logits, expected_embeddings = timms_answers(model, pictures)
                    row |= {"logits": relative(logits, expected_logits), "embedding": relative(embeddings, expected_embeddings),
                            "same_order": same_order(logits, expected_logits)}
                print(json.dumps(row), file=out, flush=True)


if __name__ == "__main__":
    main()
