"""A checkpoint of vit_* or convmixer_* as an OpenVINO model: no PyTorch, timm's weight names."""

import json
import pathlib

import numpy as np
import openvino.opset13 as ops
import safetensors.numpy
from openvino import Model


class Network:
    def __init__(self, folder):
        """folder: config.json and model.safetensors, float32, as make_random_checkpoint writes them."""
        folder = pathlib.Path(folder)
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = safetensors.numpy.load_file(folder / "model.safetensors")
        self.size = self.config["pretrained_cfg"]["input_size"][1]

    def model(self, batch):
        """[batch, 3, size, size], normalised -> logits."""
        images = ops.parameter([batch, 3, self.size, self.size], np.float32, name="images")
        build = self._convmixer if self.config["architecture"].startswith("convmixer") else self._vit
        return Model([build(images)], [images])

    def _const(self, name, shape=None):
        value = self.weights[name]
        return ops.constant(value if shape is None else value.reshape(shape))

    def _linear(self, x, name):
        return ops.add(ops.matmul(x, self._const(name + ".weight"), False, True), self._const(name + ".bias"))

    def _norm(self, x, name):
        x = ops.mvn(x, ops.constant([-1]), True, 1e-6, "inside_sqrt")
        return ops.add(ops.multiply(x, self._const(name + ".weight")), self._const(name + ".bias"))

    def _patches(self, images, name, patch):
        x = ops.convolution(images, self._const(name + ".weight"), [patch] * 2, [0, 0], [0, 0], [1, 1])
        return ops.add(x, self._const(name + ".bias", (1, -1, 1, 1)))

    def _vit(self, images):
        args = self.config["model_args"]
        dim, heads, batch = args["embed_dim"], args["num_heads"], images.shape[0]
        x = self._patches(images, "patch_embed.proj", args["patch_size"])
        x = ops.transpose(ops.reshape(x, [batch, dim, -1], False), [0, 2, 1])
        token = ops.broadcast(self._const("cls_token"), [batch, 1, dim])
        x = ops.add(ops.concat([token, x], 1), self._const("pos_embed"))
        for i in range(args["depth"]):
            block = f"blocks.{i}"
            qkv = self._linear(self._norm(x, block + ".norm1"), block + ".attn.qkv")
            qkv = ops.transpose(ops.reshape(qkv, [batch, -1, 3, heads, dim // heads], False), [2, 0, 3, 1, 4])
            q, k, v = (ops.gather(qkv, ops.constant(j), ops.constant(0)) for j in range(3))
            mixed = ops.scaled_dot_product_attention(q, k, v)
            mixed = ops.reshape(ops.transpose(mixed, [0, 2, 1, 3]), [batch, -1, dim], False)
            x = ops.add(x, self._linear(mixed, block + ".attn.proj"))
            hidden = ops.gelu(self._linear(self._norm(x, block + ".norm2"), block + ".mlp.fc1"), "erf")
            x = ops.add(x, self._linear(hidden, block + ".mlp.fc2"))
        x = ops.gather(self._norm(x, "norm"), ops.constant(0), ops.constant(1))
        return self._linear(x, "head")

    def _batch_norm(self, x, name):
        return ops.batch_norm_inference(x, *(self._const(f"{name}.{part}") for part in (
            "weight", "bias", "running_mean", "running_var")), 1e-5)

    def _convmixer(self, images):
        args = self.config["model_args"]
        dim, kernel = args["dim"], args["kernel_size"]

        def activated(x):
            return ops.relu(x) if self.config["architecture"] == "convmixer_768_32" else ops.gelu(x, "erf")

        def conv(x, name):
            x = ops.convolution(x, self._const(name + ".weight"), [1, 1], [0, 0], [0, 0], [1, 1])
            return ops.add(x, self._const(name + ".bias", (1, -1, 1, 1)))

        def depthwise(x, name):
            before, after = (kernel - 1) // 2, kernel // 2
            weight = self._const(name + ".weight", (dim, 1, 1, kernel, kernel))
            x = ops.group_convolution(x, weight, [1, 1], [before] * 2, [after] * 2, [1, 1])
            return ops.add(x, self._const(name + ".bias", (1, -1, 1, 1)))

        x = self._batch_norm(activated(self._patches(images, "stem.0", args["patch_size"])), "stem.2")
        for i in range(args["depth"]):
            block = f"blocks.{i}"
            x = ops.add(x, self._batch_norm(activated(depthwise(x, block + ".0.fn.0")), block + ".0.fn.2"))
            x = self._batch_norm(activated(conv(x, block + ".1")), block + ".3")
        return self._linear(ops.reduce_mean(x, [2, 3]), "head")
