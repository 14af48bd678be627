"""The model as somebody would write it for a Python server: timm's, from JPEG bytes to the five best classes."""

import io
import json
import pathlib

import safetensors.torch
import timm
import torch
from PIL import Image


class PhotoClassifier:
    def __init__(self, folder, threads):
        """folder: a checkpoint with config.json and model.safetensors; threads: PyTorch's."""
        torch.set_num_threads(threads)
        folder = pathlib.Path(folder)
        config = json.loads((folder / "config.json").read_text())
        self._model = timm.create_model(config["architecture"], num_classes=config["num_classes"]).eval()
        self._model.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
        preprocessing = timm.data.resolve_data_config({}, pretrained_cfg=config.get("pretrained_cfg", {}))
        self._transform = timm.data.create_transform(**preprocessing)
        self(_GREY * 1)  # the first run is slow

    def __call__(self, photos):
        """photos: JPEG files -> for each the ids of the five best classes, and their probabilities."""
        images = torch.stack([self._transform(Image.open(io.BytesIO(photo)).convert("RGB")) for photo in photos])
        with torch.inference_mode():
            best = self._model(images).softmax(dim=1).topk(5)
        return list(zip(best.indices.tolist(), best.values.tolist()))


def _grey_jpeg():
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(file, "jpeg")
    return file.getvalue()


_GREY = [_grey_jpeg()]
