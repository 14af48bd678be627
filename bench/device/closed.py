"""Callers that send their next request at once, refused or answered: what a device, and a core, can do at best."""

from measure import measure
from simulated import FULL, SMALL, Device, DeviceServer

CALLERS = (1, 8, 64, 200, 512, 1024)
OF_LIMIT, FALL, CPU_US = 0.95, 0.05, 80  # the goals
MANY = 64  # callers; fewer leave the server time to fall asleep, and waking costs more
TINY, BASE, MIXER = "vit_tiny_patch16_224", "vit_base_patch16_224", "convmixer_768_32"
BOTH = (TINY, BASE)

# By server: its flags, and the series that are measured on it: who is asked, with which photo.
SERVERS = [
    (["--max_queue=4096", f"--image_size={SMALL}"], None,
     [((TINY,), "small"), ((BASE,), "small"), ((MIXER,), "small"), (BOTH, "small")]),
    ([f"--image_size={SMALL}"], None,
     [((TINY,), "small"), ((BASE,), "small"), ((MIXER,), "small"), (BOTH, "small")]),
    (["--max_queue=4096", f"--image_size={SMALL}"], (TINY,), [((TINY,), "small")]),
    (["--max_queue=4096", f"--image_size={FULL}"], None, [((BASE,), "bmp"), ((BASE,), "jpeg")]),
]
QUICK = [(SERVERS[0][0], None, [((TINY,), "small"), ((BASE,), "small")])]
COLUMNS = ["callers", "answers/s", f"of what is possible, {OF_LIMIT:.0%}", "which is", "mean batch", "fill",
           "device busy", f"CPU-us an answer, {CPU_US}", "decoding", "refused"]


def run(bench):
    for flags, alone, series in QUICK if bench.quick else SERVERS:
        with DeviceServer(bench.bin, "--noise=0.03", *flags, models=alone or bench.models) as server:
            for models, photo in series:
                _series(bench, server, flags, alone, models, photo)


def _series(bench, server, flags, alone, models, photo):
    queue = "--max_queue=4096" if "--max_queue=4096" in flags else "the default queue"
    title = f"{' and '.join(models)}, {bench.photo_names[photo]}, {queue}"
    rows, cells = bench.table(title + (", the only model" if alone else ""), COLUMNS), {}
    for callers in (1, 64, 512) if bench.quick else CALLERS:
        cell = measure(server, bench.bin, bench.photos[photo], seconds=bench.seconds, models=models,
                       concurrency=callers, deadline="10s")
        cell["limit"], cell["limited_by"] = limit(models, callers, cell["cpu_us"], cell["decode_us"])
        cells[callers] = cell
        share = cell["answers"] / cell["limit"]
        rows.add(callers, f"{cell['answers']:.0f}{' (loadgen)' if cell['loadgen']['loadgen']['is_limit'] else ''}",
                 (f"{share:.0%}", share >= OF_LIMIT), f"{cell['limit']:.0f}, {cell['limited_by']}",
                 f"{cell['batch']:.1f}", f"{cell['fill']:.0%}", f"{cell['busy']:.0%}",
                 (f"{cell['cpu_us']:.0f}", cell["cpu_us"] <= CPU_US or callers < MANY), f"{cell['decode_us']:.0f}",
                 f"{cell['refused']:.0%}")
    fall = worst_fall([cell["answers"] for cell in cells.values()])
    rows.note(f"Most that answers fall as callers grow: {fall:.0%}", f"{FALL:.0%}", fall <= FALL)
    bench.data.setdefault("closed", []).append(
        {"flags": flags, "alone": bool(alone), "models": models, "photo": photo, "cells": cells})


def limit(models, callers, cpu_us, decode_us):
    """Answers a second with RPCs that cost what they did, but no more than they may, and whose limit that is."""
    device, cpu_us = Device(models), min(cpu_us, CPU_US)
    with_callers, core = device.limit(callers, cpu_us * 1e-6), 1e6 / (cpu_us + decode_us)
    if core < with_callers:
        return core, "the core's"
    return with_callers, "the device's" if with_callers > 0.98 * device.peak() else "the callers'"


def worst_fall(answers):
    """From the best with fewer callers, as a share of it."""
    return max((1 - later / best for i, later in enumerate(answers) for best in [max(answers[:i + 1])]), default=0)
