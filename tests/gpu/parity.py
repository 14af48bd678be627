"""The answers through Classify beside timm's in float32, in every precision."""

import json

import timm.data
import torch
from networks import load
from PIL import Image

# Of the largest logit. In float32 both sum in their own order; the others have 8 and 11 bits, and are compared with
# what PyTorch's own operators give in them.
FLOAT32_AT_MOST = 1e-4
TIMES_EAGER_AT_MOST = 1.5
FEWER_NETWORKS = ("vit_tiny_patch16_224", "convmixer_768_32")  # in float32 and float16, for time: bfloat16 has all our kernels
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def centred(logits):
    """What probabilities say of the logits: all but their mean."""
    return logits - logits.mean(1, keepdim=True)


def run(check):
    photos = sorted(check.photos.glob("*.jpg"))
    for precision, dtype in PRECISIONS.items():
        if check.device == "cpu" and precision == "float16":
            continue  # isn't served there
        names = [name for name in check.networks if precision == "bfloat16" or name in FEWER_NETWORKS]
        if not names:
            continue
        with check.server(names, f"--precision={precision}", "--max_batch=8") as server:
            for name in names:
                served = answers(check, server, name, photos)
                exact, eager = timm_logits(check, name, photos, dtype)
                largest = exact.abs().max().item()
                error, eager_error = ((centred(x) - centred(exact)).abs().max().item() / largest for x in (served, eager))
                check.row("parity", precision=precision, model=name, error=error, timm_eager_error=eager_error,
                          top1_equal=int((served.argmax(1) == exact.argmax(1)).sum()), photos=len(photos))
                if error > (FLOAT32_AT_MOST if dtype == torch.float32 else TIMES_EAGER_AT_MOST * eager_error):
                    check.fails(f"{name} in {precision}: {error:.2e} of the largest logit")
            for line in server.log.splitlines():
                if " warning " in line:
                    check.row("warnings", precision=precision, line=line)


def answers(check, server, model, photos):
    """-> [photos, classes]: the logarithms of the probabilities, by class id."""
    output = check.program("classify", f"--server={server.address}", f"--model={model}", "--top_k=1000", "--output=json",
                           "--concurrency=8", *photos)
    by_file = {}
    for line in output.splitlines():
        answer = json.loads(line)
        row = torch.empty(1000, dtype=torch.float64)
        for prediction in answer["predictions"]:
            row[prediction["class_id"]] = prediction["probability"]
        by_file[answer["file"]] = row.log()
    return torch.stack([by_file[str(photo)] for photo in photos])


def timm_logits(check, name, photos, dtype):
    """-> timm's in float32, and in `dtype`."""
    model = load(check, name)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    images = torch.stack([transform(Image.open(photo).convert("RGB")) for photo in photos]).to(check.device)
    with torch.inference_mode():
        exact = model(images).double().cpu()
        return exact, model.to(dtype)(images.to(dtype)).double().cpu()
