"""timm's network behind mosec, on a GPU: processes that decode, and one that runs batches. mosec_peer.py starts it.

  CHECKPOINT=FOLDER DEVICE=cuda:0 DECODERS=N python mosec_server.py --address 127.0.0.1 --port PORT
"""

import json
import os
import pathlib

import mosec
import mosec.runtime
import numpy
import timm
import torch
from safetensors.torch import load_file
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms.v2 import functional

# pip --target puts it there, where mosec doesn't look.
mosec.runtime.get_mosec_path = lambda: pathlib.Path(mosec.__file__).parents[1] / "bin" / "mosec"
CHECKPOINT = pathlib.Path(os.environ["CHECKPOINT"])
NETWORK = json.loads((CHECKPOINT / "config.json").read_text())["architecture"]


class Decoder(mosec.Worker):
    """By libjpeg-turbo and ATen's resampler: about as fast as OpenCV, and much faster than Pillow."""

    def __init__(self):
        torch.set_num_threads(1)
        how = timm.get_pretrained_cfg(NETWORK)
        self._side, self._short = how.input_size[-1], int(how.input_size[-1] / how.crop_pct)

    def deserialize(self, data):
        return data

    def forward(self, data):
        image = decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode=ImageReadMode.RGB)
        image = functional.resize(image, [self._short], interpolation=functional.InterpolationMode.BICUBIC, antialias=True)
        return functional.center_crop(image, [self._side, self._side]).numpy()


class Network(mosec.Worker):
    def __init__(self):
        self._device = torch.device(os.environ["DEVICE"])
        model = timm.create_model(NETWORK, pretrained=False)
        model.load_state_dict(load_file(CHECKPOINT / "model.safetensors"))
        self._model = model.eval().to(self._device, torch.bfloat16, memory_format=torch.channels_last)
        how = timm.get_pretrained_cfg(NETWORK)
        self._mean, self._std = (torch.tensor(values, device=self._device).view(3, 1, 1) for values in (how.mean, how.std))

    def forward(self, data):
        with torch.inference_mode():
            images = torch.from_numpy(numpy.stack(data)).to(self._device)
            images = ((images / 255 - self._mean) / self._std).to(torch.bfloat16, memory_format=torch.channels_last)
            best = self._model(images).float().softmax(1).topk(5)
            return list(zip(best.indices.tolist(), best.values.tolist()))


if __name__ == "__main__":
    server = mosec.Server()
    server.append_worker(Decoder, num=int(os.environ["DECODERS"]))
    server.append_worker(Network, num=1, max_batch_size=128, max_wait_time=1)
    server.run()
