"""The networks that are compared, as timm makes them, with random weights."""

import os

import timm
import torch
from safetensors.torch import load_file
from timm.models import save_for_hf

NETWORKS = ("vit_tiny_patch16_224", "vit_base_patch16_224", "convmixer_768_32", "convmixer_1024_20_ks9_p14",
            "convmixer_1536_20")

# Float32 as the server computes it: IEEE, without TF32.
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False


def describe_machine(check):
    check.row("machine", gpu="none" if check.device == "cpu" else torch.cuda.get_device_name(), torch=torch.__version__,
              timm=timm.__version__, cores=len(os.sched_getaffinity(0)))


def make_checkpoints(check):
    """Norms and biases get random values too, so that what is left out or folded wrongly shows in the answers."""
    for name in check.networks:
        folder = check.work / name
        if (folder / "model.safetensors").exists():
            continue
        torch.manual_seed(1)
        model = timm.create_model(name, pretrained=False).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim == 1:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
            for buffer_name, buffer in model.named_buffers():
                if buffer_name.endswith("running_mean"):
                    buffer.normal_(0, 0.1)
                if buffer_name.endswith("running_var"):
                    buffer.uniform_(0.5, 1.5)
            model.get_classifier().weight.normal_(0, 0.05)
        save_for_hf(model, folder, model_config={"label_names": [f"class {i}" for i in range(1000)]},
                    safe_serialization=True)


def load(check, name):
    """timm's network with the weights of a checkpoint, in float32 on the device."""
    model = timm.create_model(name, pretrained=False)
    model.load_state_dict(load_file(check.work / name / "model.safetensors"))
    return model.eval().to(check.device)
