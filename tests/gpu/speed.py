"""Images a second of the engine by batch size, beside timm's networks in eager mode and compiled, in one run."""

import json
import time

import torch
from networks import load

BATCHES, CPUS_BATCHES = (1, 32, 128, 256), (1, 8)  # a CPU would take minutes for 256
TIMMS_LARGEST = 128  # its slowest network takes more than a second for a batch of 256, and isn't faster so
SECONDS = 0.25  # a cell
COMPILED = "convmixer_768_32"


def run(check):
    batches = CPUS_BATCHES if check.device == "cpu" else BATCHES
    for name in check.networks:
        rates = json.loads(check.program(
            "engine_bench", f"--model={check.work / name}", f"--device={check.device}", "--precision=bfloat16",
            f"--batches={','.join(map(str, batches))}", f"--seconds={SECONDS}"))
        engine = {int(batch): rate for batch, rate in rates.items()}
        timms = [batch for batch in batches if batch <= TIMMS_LARGEST]
        nhwc = timm_rates(check, load(check, name).to(memory_format=torch.channels_last), timms)
        for batch in batches:
            beside = {"timm_eager": nhwc[batch], "ratio": engine[batch] / nhwc[batch]} if batch in nhwc else {}
            check.row("speed", model=name, batch=batch, engine=engine[batch], **beside)
        if 128 not in batches:
            continue
        nchw = timm_rates(check, load(check, name), (128,))
        check.row("speed at 128", model=name, engine=engine[128], timm_nhwc=nhwc[128], timm_nchw=nchw[128],
                  ratio_to_best=engine[128] / max(nhwc[128], nchw[128]))


def compiled(check):
    if check.device == "cpu" or COMPILED not in check.networks:
        return
    model = load(check, COMPILED).to(memory_format=torch.channels_last)
    # Block by block: they are alike, so one is compiled for all, in a fraction of the time of the whole network.
    for block in model.blocks:
        block.compile()
    check.row("speed at 128", model=COMPILED, timm_compiled=timm_rates(check, model, (128,))[128])


def timm_rates(check, model, batches):
    """-> {images in a batch: images a second}, in bfloat16, for images that are on the GPU already.

    The engine's figures have the copy to the GPU, normalisation and the logits' way back in them.
    """
    torch.backends.cudnn.benchmark = True
    model = model.to(torch.bfloat16)
    layout = next(p for p in model.parameters() if p.ndim == 4)
    channels_last = layout.is_contiguous(memory_format=torch.channels_last) and not layout.is_contiguous()
    wait = (lambda: None) if check.device == "cpu" else torch.cuda.synchronize
    rates = {}
    with torch.inference_mode():
        for batch in batches:
            images = torch.randn(batch, 3, 224, 224, device=check.device, dtype=torch.bfloat16)
            if channels_last:
                images = images.to(memory_format=torch.channels_last)
            for _ in range(3):
                model(images)
            wait()
            done, began = 0, time.monotonic()
            while time.monotonic() - began < SECONDS or done < 3 * batch:
                model(images)
                done += batch
                if done % (4 * batch) == 0:
                    wait()
            wait()
            rates[batch] = done / (time.monotonic() - began)
    torch.cuda.empty_cache()
    return rates
