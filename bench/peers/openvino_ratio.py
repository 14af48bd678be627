#!/usr/bin/env python3
"""A network's forward on one core by patchserve's engine and by OpenVINO: CPU time an image, and their ratio.

  make build
  bench/python.sh bench/peers/openvino_requirements.txt bench/peers/openvino_ratio.py [MODEL ...]

The same random weights, one thread, each at its best batch size, in rounds that take turns. Before that
both must give the same logits for an image (float32).
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import openvino
from openvino_networks import Network

BIN = pathlib.Path(__file__).resolve().parents[2] / "build" / "bin"
MODELS = ["vit_tiny_patch16_224", "vit_base_patch16_224", "convmixer_768_32", "convmixer_1536_20"]
PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVino:
    def __init__(self, network, precision):
        self._core, self._network = openvino.Core(), network
        self._hints = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1,
                       "INFERENCE_PRECISION_HINT": PRECISIONS[precision]}
        self._requests = {}

    def request(self, batch):
        if batch not in self._requests:
            compiled = self._core.compile_model(self._network.model(batch), "CPU", self._hints)
            self._requests[batch] = compiled.create_infer_request()
            self._requests[batch].set_input_tensor(openvino.Tensor(np.zeros(compiled.input(0).shape, np.float32)))
        return self._requests[batch]

    def logits(self, images):
        return self.request(len(images)).infer([images])[0]

    def cpu_ms(self, batch, seconds):
        request = self.request(batch)
        request.infer()
        runs, cpu, end = 0, time.process_time(), time.monotonic() + seconds
        while time.monotonic() < end:
            request.infer()
            runs += 1
        return (time.process_time() - cpu) / runs / batch * 1e3


def ours(folder, precision, batches, seconds):
    """-> {batch: CPU-ms an image}"""
    pattern = f"Forward/.*/{precision}/({'|'.join(map(str, batches))})$"
    run = subprocess.run([BIN / "model_bench", f"--model={folder}", f"--benchmark_filter={pattern}",
                          "--benchmark_format=json", f"--benchmark_min_time={seconds}"],
                         check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return {int(row["name"].rsplit("/", 1)[1]): row["cpu_time"] / int(row["name"].rsplit("/", 1)[1])
            for row in json.loads(run.stdout)["benchmarks"]}


def check_same(folder, network):
    """What model_bench says of an image of zeros."""
    run = subprocess.run([BIN / "model_bench", f"--model={folder}", "--logits_of_zeros"], check=True,
                         stdout=subprocess.PIPE)
    expected = np.array(json.loads(run.stdout))
    got = OpenVino(network, "float32").logits(np.zeros((1, 3, network.size, network.size), np.float32))[0]
    difference = np.abs(got - expected).max() / np.abs(expected).max()
    if difference > 1e-4:
        sys.exit(f"{folder}: the logits differ by {difference:.1e} of the largest: not the same network")


def compare(name, precisions, batches, rounds, seconds):
    with tempfile.TemporaryDirectory() as parent:
        folder = pathlib.Path(parent, name)
        subprocess.run([BIN / "make_random_checkpoint", name, folder], check=True)
        network = Network(folder)
        check_same(folder, network)
        for precision in precisions:
            peer = OpenVino(network, precision)
            first_ours = ours(folder, precision, batches, seconds / 10)
            first_theirs = {batch: peer.cpu_ms(batch, seconds / 10) for batch in batches}
            best_ours, best_theirs = (min(first, key=first.get) for first in (first_ours, first_theirs))
            pairs = [(ours(folder, precision, [best_ours], seconds)[best_ours], peer.cpu_ms(best_theirs, seconds))
                     for _ in range(rounds)]
            yield {"model": name, "precision": precision, "batch": best_ours, "openvino_batch": best_theirs,
                   "ms": statistics.median(a for a, _ in pairs), "openvino_ms": statistics.median(b for _, b in pairs),
                   "ratio": statistics.median(a / b for a, b in pairs)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), choices=list(PRECISIONS))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    print(f"OpenVINO {openvino.__version__}, one thread, CPU-ms an image (batch size)")
    rows = []
    for name in args.models:
        for row in compare(name, args.precisions, args.batches, args.rounds, args.seconds):
            print("{model:22} {precision:8} patchserve {ms:7.2f} ({batch})  OpenVINO {openvino_ms:7.2f} ({openvino_batch})  "
                  "ratio {ratio:.2f}".format(**row), flush=True)
            rows.append(row)
    if args.json:
        args.json.write_text(json.dumps({"version": openvino.__version__, "rows": rows}))


if __name__ == "__main__":
    main()
