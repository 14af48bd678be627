#!/usr/bin/env python3
"""Writes tests/data/models: tiny checkpoint folders and what timm answers for them.

  pip install torch==2.11.0 timm==1.0.31 safetensors
  tools/make_model_golden.py tests/data/models

Each folder holds config.json, model.safetensors with random weights (seeded), and
golden.json: for image 0 and image 1 of pixels(), the logits and the embedding
(timm's forward_head(pre_logits=True)) in float32.
"""

import json
import os
import pathlib
import sys

import safetensors.torch
import timm
import torch
from timm.layers import GatedMlp, GluMlp
from timm.models._hub import save_config_for_hf
from timm.models.convmixer import ConvMixer
from timm.models.mlp_mixer import Affine, MlpMixer, ResBlock, SpatialGatingBlock

CLASSES = 5


def pixels(index, height, width):
    """uint8 [height, width, 3] from a linear congruential generator; the tests have the same."""
    state, values = index + 1, []
    for _ in range(height * width * 3):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append(state >> 24)
    return torch.tensor(values, dtype=torch.uint8).reshape(height, width, 3)


def randomise(model, seed):
    """Weights so that activations stay near 1, and no layer does nothing."""
    generator = torch.Generator().manual_seed(seed)

    def normal(tensor, mean, std):
        tensor.copy_(mean + std * torch.randn(tensor.shape, generator=generator))

    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            elif name.endswith("num_batches_tracked"):
                tensor.fill_(7)
            elif name.endswith("alpha") or tensor.ndim == 1 and name.endswith("weight"):
                normal(tensor, 1, 0.2)
            elif tensor.ndim == 1 or name.endswith(("pos_embed", "token", "latent", "beta")):
                normal(tensor, 0, 0.2)
            else:
                normal(tensor, 0, (tensor[0].numel()) ** -0.5)


def pretrained_cfg(size, **more):
    return dict(input_size=[3, *size], **more)


def answers(model, cfg):
    mean = torch.tensor(cfg.get("mean", [0.485, 0.456, 0.406])).view(3, 1, 1)
    std = torch.tensor(cfg.get("std", [0.229, 0.224, 0.225])).view(3, 1, 1)
    _, height, width = cfg["input_size"]
    images = [pixels(i, height, width).permute(2, 0, 1).float().div(255).sub(mean).div(std) for i in range(2)]
    with torch.no_grad():
        features = model.forward_features(torch.stack(images))
        embeddings = model.forward_head(features, pre_logits=True)
        logits = model.forward_head(features) if model.num_classes else torch.empty(2, 0)
    return {"logits": rounded(logits), "embeddings": rounded(embeddings)}


def rounded(rows):
    return [[float(f"{x:.8g}") for x in row] for row in rows.tolist()]


def write(folder, model, cfg, config, dtype=torch.float32):
    folder.mkdir(parents=True, exist_ok=True)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    weights = {k: v.to(dtype) if v.is_floating_point() else v for k, v in model.state_dict().items()}
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})
    save_weights(folder, weights)
    (folder / "golden.json").write_text(json.dumps(answers(model, cfg)) + "\n")


def save_weights(folder, weights):
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    os.chmod(folder / "model.safetensors", 0o644)  # save_file leaves 0600


def convmixer(seed, **model_args):
    model = ConvMixer(num_classes=CLASSES, **model_args).eval()
    randomise(model, seed)
    return model


def vit(seed, name="vit_tiny_patch16_224", **model_args):
    model = timm.create_model(name, **{"num_classes": CLASSES, **model_args}).eval()
    randomise(model, seed)
    return model


def write_mixer(folder, architecture, seed, layers, **model_args):
    """The blocks of an entry point, smaller: timm's own entry points of mlp_mixer.py can't be made so."""
    args = dict(num_classes=CLASSES, img_size=(24, 16), patch_size=8, embed_dim=12, num_blocks=2) | model_args
    model = MlpMixer(**args, **layers).eval()
    randomise(model, seed)
    cfg = pretrained_cfg(args["img_size"], fixed_input_size=True)
    write(folder, model, cfg, dict(architecture=architecture, num_classes=args["num_classes"], num_features=12,
                                   global_pool="avg", model_args=args, pretrained_cfg=cfg))


SMALL = dict(img_size=16, patch_size=8, embed_dim=12, depth=2, num_heads=3)

# Folder: the entry point, the arguments beside SMALL that its weights were made with, and
# those that it is served with on top.
VITS = {
    "vit_clip": ("vit_base_patch16_clip_224", {}, {}),
    "vit_clip_quickgelu": ("vit_base_patch16_clip_quickgelu_224", {}, {}),
    "vit_deit3": ("deit3_small_patch16_224", {}, {}),
    "vit_avg_class_token": ("eva_large_patch14_196", {}, {}),
    "vit_reg4_gap": ("vit_little_patch16_reg4_gap_256", {}, {}),
    "vit_reg1_gap_no_qkv_bias": ("vit_so150m2_patch16_reg1_gap_256", {}, {}),
    "vit_siglip_map": ("vit_base_patch32_siglip_256", dict(img_size=(23, 17)), {}),  # 2x2 patches, and some pixels
    "vit_siglip_gap": ("vit_base_patch16_siglip_gap_224", {}, {}),
    "vit_map_with_register": ("test_vit3", {}, {}),
    "vit_avgmax": ("vit_tiny_patch16_224", dict(global_pool="avgmax", fc_norm=False, pool_include_prefix=True), {}),
    "vit_max_qk_norm_silu": ("vit_tiny_patch16_224", dict(global_pool="max", qk_norm=True, act_layer="silu"), {}),
    "vit_rms_scale_norms": ("beit3_base_patch16_224", dict(norm_layer="rmsnorm"), {}),
    "vit_post_norm": ("vit_base_patch16_rpn_224", {}, {}),
    "vit_parallel": ("vit_base_patch16_xp_224", {}, {}),
    "vit_parallel_scaled_gap": ("vit_pwee_patch16_reg1_gap_256", dict(qkv_bias=True), {}),
    "vit_no_final_norm": ("vit_base_patch16_radio_v3", {}, {}),
    "vit_packed_glu": ("vit_giant_patch14_dinov2", {}, {}),
    "vit_aimv2": ("aimv2_large_patch14_224", {}, {}),
    "vit_aimv2_layer_norm": ("aimv2_large_patch14_224", dict(norm_layer="layernorm"), {}),
    "vit_resized": ("vit_tiny_patch16_224", dict(img_size=24), dict(img_size=(40, 32))),
    "vit_resized_bilinear": ("flexivit_small", dict(img_size=32), dict(img_size=(24, 16))),
    "vit_dynamic_size": ("test_vit2", dict(img_size=(24, 16)), dict(input_size=(32, 40))),
    "vit_radio_dynamic_size": ("vit_base_patch16_radio_v3", dict(img_size=32, dynamic_img_size=True),
                               dict(input_size=(24, 40))),
    # Without a classifier.
    "vit_siglip_headless": ("vit_base_patch16_siglip_224", dict(num_classes=0), {}),
    "vit_dinov2_reg4_headless": ("vit_small_patch14_reg4_dinov2", dict(num_classes=0), {}),
    "deit_distilled_headless": ("deit_tiny_distilled_patch16_224", dict(num_classes=0), {}),
    # Positions that timm resizes when it loads them, and again when it sees the picture.
    "vit_dynamic_resized": ("vit_tiny_patch16_224", dict(img_size=32),
                            dict(img_size=64, dynamic_img_size=True, input_size=(48, 40))),
    "vit_radio_dynamic_resized": ("vit_base_patch16_radio_v3", dict(img_size=32),
                                  dict(img_size=48, dynamic_img_size=True, input_size=(24, 40))),
    "vit_dynamic_default_size": ("test_vit", dict(img_size=24), dict(img_size=None, input_size=(32, 40))),
}


def write_as_timm(folder, name, trained_args, served_args):
    """A folder that timm wrote and reads again, perhaps for another size of picture than it wrote."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = vit(7, name, **{**SMALL, **trained_args})
    save_config_for_hf(trained, folder / "config.json", model_args={"num_classes": CLASSES, **SMALL, **trained_args})
    config = json.loads((folder / "config.json").read_text())
    served_args = dict(served_args)
    if "input_size" in served_args:
        config["pretrained_cfg"]["input_size"] = [3, *served_args.pop("input_size")]
    config["model_args"].update(served_args)
    if config["model_args"]["img_size"] is None:
        del config["model_args"]["img_size"]
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_weights(folder, trained.state_dict())
    served = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    (folder / "golden.json").write_text(json.dumps(answers(served, served.pretrained_cfg)) + "\n")


def main():
    root = pathlib.Path(sys.argv[1])

    # Today's form, GELU; the picture isn't square, nor a multiple of the patch.
    args = dict(dim=12, depth=3, kernel_size=5, patch_size=3)
    cfg = pretrained_cfg((25, 20), mean=[0.5, 0.4, 0.3], std=[0.2, 0.25, 0.3], crop_pct=0.96)
    write(root / "convmixer", convmixer(1, **args), cfg,
          dict(architecture="convmixer_12_3", num_classes=CLASSES, num_features=12, global_pool="avg",
               label_names=["ant", "bee", "cat", "dog", "eel"],
               label_descriptions={"ant": "an insect", "cat": "a pet"}, model_args=args, pretrained_cfg=cfg))

    # The flat form without pretrained_cfg and model_args; ReLU by the architecture's name; an even kernel.
    args = dict(dim=8, depth=2, kernel_size=4, patch_size=2)
    cfg = pretrained_cfg((16, 16), num_classes=CLASSES, interpolation="bilinear", crop_pct=0.9,
                         labels={"0": "zero", "3": "three"})
    write(root / "convmixer_relu_flat", convmixer(2, act_layer=torch.nn.ReLU, **args), cfg,
          dict(architecture="convmixer_768_32", num_features=8, **cfg))

    # As timm itself writes it.
    model = vit(3, img_size=32, patch_size=8, embed_dim=24, depth=3, num_heads=4)
    folder = root / "vit"
    folder.mkdir(parents=True, exist_ok=True)
    save_config_for_hf(model, folder / "config.json")
    write(folder, model, json.loads((folder / "config.json").read_text())["pretrained_cfg"], None)

    # Before timm 1.0.30: no model_args; 3 heads by the architecture's name; not square.
    cfg = pretrained_cfg((24, 16), num_classes=CLASSES, fixed_input_size=True)
    write(root / "vit_without_model_args_bf16",
          vit(4, name="deit_tiny_patch16_224", img_size=(24, 16), patch_size=8, embed_dim=12, depth=2, mlp_ratio=3),
          cfg, dict(architecture="deit_tiny_patch16_224", num_classes=CLASSES, num_features=12,
                    global_pool="token", pretrained_cfg=cfg), torch.bfloat16)

    for folder, (name, trained_args, served_args) in VITS.items():
        write_as_timm(root / folder, name, trained_args, served_args)

    write_mixer(root / "mixer", "mixer_s16_224", 8, {}, mlp_ratio=(0.75, 3.0))
    write_mixer(root / "gmixer", "gmixer_12_224", 9, dict(mlp_layer=GluMlp, act_layer=torch.nn.SiLU), mlp_ratio=(1.0, 4.0))
    write_mixer(root / "resmlp", "resmlp_12_224", 10, dict(block_layer=ResBlock, norm_layer=Affine), mlp_ratio=4)
    write_mixer(root / "resmlp_headless", "resmlp_12_224", 12, dict(block_layer=ResBlock, norm_layer=Affine), mlp_ratio=4,
                num_classes=0)
    write_mixer(root / "gmlp", "gmlp_ti16_224", 11, dict(block_layer=SpatialGatingBlock, mlp_layer=GatedMlp), mlp_ratio=6)

    # As published before 1.0.30, two heads; the flat form.
    cfg = pretrained_cfg((16, 16), num_classes=CLASSES, classifier=["head", "head_dist"])
    write(root / "deit_distilled_flat",
          vit(6, name="deit_tiny_distilled_patch16_224", img_size=16, patch_size=8, embed_dim=12, depth=2), cfg,
          dict(architecture="deit_tiny_distilled_patch16_224", num_features=12, **cfg))

    args = dict(dim=8, depth=2, kernel_size=3, patch_size=4, act_layer="relu")
    cfg = pretrained_cfg((16, 16), num_classes=CLASSES)
    write(root / "convmixer_f16", convmixer(5, **dict(args, act_layer=torch.nn.ReLU)), cfg,
          dict(architecture="convmixer_8_2", num_classes=CLASSES, model_args=args, pretrained_cfg=cfg),
          torch.float16)


if __name__ == "__main__":
    main()
