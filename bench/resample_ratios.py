#!/usr/bin/env python3
"""Resampling by patchserve, PyTorch and Pillow, from one run.

  build/bin/image_bench --benchmark_filter=Resample --benchmark_out=FILE
  bench/resample_ratios.py FILE
"""

import json
import sys
import time

import PIL
from PIL import Image

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def pillow_ms(filter, width, height, to_width, to_height, seconds=0.5):
    """CPU-milliseconds of one resize of an RGB picture, the least of five rounds."""
    picture = Image.effect_noise((width, height), 40).convert("RGB")
    picture.resize((to_width, to_height), FILTERS[filter])
    rounds = []
    for _ in range(5):
        start, count = time.process_time(), 0
        while count == 0 or time.process_time() - start < seconds / 5:
            picture.resize((to_width, to_height), FILTERS[filter])
            count += 1
        rounds.append((time.process_time() - start) / count * 1e3)
    return min(rounds)


def compare(cpu_ms):
    """cpu_ms: {name of a benchmark of image_bench: milliseconds} -> one row a filter and size:
    (filter, (width, height, to_width, to_height), ours, PyTorch's, Pillow's)"""
    rows = []
    for name, ours in cpu_ms.items():
        if name.startswith("ResampleOurs/"):
            filter, *size = name.split("/")[1:]
            size = tuple(map(int, size))
            rows.append((filter, size, ours, cpu_ms[name.replace("Ours", "Aten")], pillow_ms(filter, *size)))
    return rows


def main():
    with open(sys.argv[1]) as file:
        runs = json.load(file)["benchmarks"]
    print(f"resampling, ms on one thread (ratio to patchserve's); Pillow {PIL.__version__}")
    for filter, size, ours, aten, pillow in compare({run["name"]: run["cpu_time"] for run in runs}):
        print("  {:8} {}x{} to {}x{}: ".format(filter, *size) +
              f"{ours:.2f}, PyTorch {aten:.2f} ({aten / ours:.2f}), Pillow {pillow:.2f} ({pillow / ours:.2f})")


if __name__ == "__main__":
    main()
