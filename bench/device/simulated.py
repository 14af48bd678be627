"""build/bin/device_server with the models of curves.json, and what its device could do at best."""

import json
import os
import pathlib
import struct

from live_server import SERVER_CORE, LiveServer, read_metrics

FOLDER = pathlib.Path(__file__).resolve().parent
# As they are loaded: by name. On the H100 too one server had several models.
MODELS = ("convmixer_768_32", "vit_base_patch16_224", "vit_tiny_patch16_224")
BUCKETS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128)  # of a GPU: server/pipeline/batch_buckets.h
MAX_BATCH = 128
SMALL, FULL = 32, 224  # pixels of the models' input


class DeviceServer(LiveServer):
    """With two runners, as patchserve has on a GPU."""

    def __init__(self, bin_folder, *flags, models=MODELS):
        super().__init__(pathlib.Path(bin_folder) / "device_server",
                         *[f"--models={model}={FOLDER}" for model in models],
                         "--runners=2", f"--max_batch={MAX_BATCH}",
                         # Places in the queue are to be the limit, not these.
                         "--memory_limit=100000000000", "--max_bytes_in_flight=4000000000", *flags)

    def account(self):
        """What the device did: its own Metrics."""
        return read_metrics(self._address_after("the device's account on port "))

    @staticmethod
    def core_busy():
        """Seconds since boot that the server's core wasn't idle, whoever used it."""
        lines = pathlib.Path("/proc/stat").read_text().splitlines()
        ticks = next(list(map(int, line.split()[1:])) for line in lines if line.startswith(f"cpu{SERVER_CORE} "))
        return (sum(ticks[:8]) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


RPC_SECONDS = 0.3e-3  # what a lone request may take beside the device


class Device:
    """What is known of the device: curves.json."""

    def __init__(self, models, curve="run_ms"):
        """`models` share it, each with as many requests as the others."""
        measured = json.loads((FOLDER / "curves.json").read_text())["models"]
        self._curves = [{int(size): ms / 1e3 for size, ms in measured[model][curve].items()} for model in models]

    def seconds(self, size):
        """So many images in the bucket that is quickest for them, on average over the models."""
        buckets = [bucket for bucket in BUCKETS if bucket >= size]
        return sum(min(_at(curve, bucket) for bucket in buckets) for curve in self._curves) / len(self._curves)

    def peak(self):
        """Answers a second, with as much to do as it could want."""
        return max(size / self.seconds(size) for size in range(1, MAX_BATCH + 1))

    def limit(self, callers, answer_seconds):
        """Answers a second of callers that wait for each answer: between two batches they spend RPC_SECONDS, and
        `answer_seconds` of the server's core for each image but the first."""
        return max(min(size / self.seconds(size), callers / (self.seconds(size) + RPC_SECONDS + (size - 1) * answer_seconds))
                   for size in range(1, min(MAX_BATCH, callers) + 1))


def _at(curve, size):
    """As curves.h says."""
    sizes = sorted(curve)
    if size >= sizes[-1]:
        return curve[sizes[-1]] * size / sizes[-1]
    above = next(s for s in sizes if s >= size)
    if above == size or above == sizes[0]:
        return curve[above]
    below = sizes[sizes.index(above) - 1]
    return curve[below] + (curve[above] - curve[below]) * (size - below) / (above - below)


def write_bmp(path, side):
    """A picture that costs next to nothing to decode: pixels as they are."""
    rows = b"".join(bytes((7 * x + 13 * y) % 256 for x in range(3 * side)) for y in range(side))
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, len(rows), 2835, 2835, 0, 0)
    path.write_bytes(b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + header + rows)
    return path
