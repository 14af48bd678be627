"""Replacing the model while the server is kept at 80 % of what it can do."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

import grpc
import protos
from live_server import LiveServer
from loadgen import percentile

LOAD = 0.8  # times capacity
SWAPS = 20
CALM = 10  # seconds after a swap that count with it
MODEL = "vit"
repository_messages, repository_services = grpc.protos_and_services("inference/grpc_service.proto")


class SwappedServer(LiveServer):
    """A server of a folder whose weights are replaced, by two files in turn."""

    def __init__(self, bench, folder):
        self._served = pathlib.Path(folder) / MODEL
        self._weights = [pathlib.Path(folder) / f"weights{seed}" for seed in (1, 2)]
        architecture = json.loads((pathlib.Path(bench.checkpoint) / "config.json").read_text())["architecture"]
        for seed, weights in enumerate(self._weights, 1):
            subprocess.run([bench.bin / "make_random_checkpoint", architecture, weights, str(seed)], check=True)
        shutil.copytree(self._weights[0], self._served)
        self.weights_mb = (self._served / "model.safetensors").stat().st_size / 2**20
        super().__init__(bench.bin / "patchserve", f"--models={self._served}", "--repository_control")

    def __enter__(self):
        super().__enter__()
        channel = grpc.insecure_channel(self.address)
        self._models = protos.services.ImageClassificationStub(channel)
        self._repository = repository_services.GRPCInferenceServiceStub(channel)
        return self

    def swap(self):
        """-> seconds until the new weights serve."""
        before = self._version()
        self._weights.reverse()
        new = self._served / "new"
        shutil.copy(self._weights[0] / "model.safetensors", new)
        os.replace(new, self._served / "model.safetensors")
        start = time.monotonic()
        self._repository.RepositoryModelLoad(repository_messages.RepositoryModelLoadRequest(model_name=MODEL))
        took = time.monotonic() - start
        assert self._version() != before
        return took

    def _version(self):
        return self._models.ListModels(protos.messages.ListModelsRequest()).models[0].version


def run(bench):
    bench.heading(f"Replacing the model at {LOAD:.0%} of what the server can do")
    with tempfile.TemporaryDirectory() as folder, SwappedServer(bench, folder) as server:
        rounds = _rounds(bench, server)
        _show_rounds(bench, rounds, server.weights_mb)
        twenty = _twenty(bench, server, statistics.median(r["swap_s"] for r in rounds))
        _show_twenty(bench, twenty, server.weights_mb)
    bench.data["swaps"] = {"rounds": rounds, "twenty": twenty, "weights_mb": server.weights_mb}


def _load(bench, server, seconds, seed):
    return bench.load(server, rate=LOAD * bench.capacity, deadline=10, seconds=seconds, seed=seed, connections=4)


def _rounds(bench, server):
    """The same arrivals without and with a swap, which begins with the window and ends CALM before its end."""
    usual = _load(bench, server, CALM, seed=99)
    swap_s = server.swap()  # how long it takes under load
    usual.report()
    rounds = []
    for seed in range(1, bench.rounds + 1):
        window = swap_s + CALM
        before = _load(bench, server, window, seed).report()
        warm_mb, _ = server.rss_mb()
        server.reset_peak_rss()
        during = _load(bench, server, window, seed)
        time.sleep(1)  # loadgen's warm-up
        swap_s = server.swap()
        during = during.report()
        rss_mb, peak_mb = server.rss_mb()
        rounds.append({"before": before, "during": during, "swap_s": swap_s, "window_s": window, "warm_mb": warm_mb,
                       "peak_mb": peak_mb, "rss_mb": rss_mb})
    return rounds


def _failed(reports):
    return sum(count for report in reports for code, count in report["results"].items() if code != "OK")


def _show_rounds(bench, rounds, weights_mb):
    ratios = [percentile(r["during"], "p99") / percentile(r["before"], "p99") for r in rounds]
    p99 = statistics.median(percentile(r["before"], "p99") for r in rounds)
    swap_s = statistics.median(r["swap_s"] for r in rounds)
    failed = _failed(r["during"] for r in rounds)
    answers = sum(r["during"]["results"].get("OK", 0) for r in rounds)
    bench.row("reading, warming and testing the new weights", f"{swap_s:.1f} s")
    bench.row("requests that failed meanwhile", f"{failed} of {failed + answers}", "0", failed == 0)
    bench.row("p99 of the same arrivals without a swap", f"{p99:.0f} ms")
    bench.row(f"p99 over the swap and {CALM} s after", ", ".join(f"{ratio:.2f}" for ratio in ratios) + " times that",
              "2 times, in the median", statistics.median(ratios) <= 2)
    peak = statistics.median(r["peak_mb"] - r["warm_mb"] for r in rounds)
    more = statistics.median(r["rss_mb"] - r["warm_mb"] for r in rounds)
    bench.row("memory meanwhile, beyond that before", f"{peak:.0f} MB")
    bench.row(f"memory {CALM} s after, beyond that before", f"{more:.0f} MB", f"half a model ({weights_mb / 2:.0f} MB)",
              more <= weights_mb / 2)


def _twenty(bench, server, swap_s):
    """One after the other, under load."""
    reports, rss_mb, took, threads, files = [], [], [], [], []
    for seed in range(SWAPS):
        load = _load(bench, server, swap_s, seed)
        took.append(server.swap())
        reports.append(load.report())
        rss_mb.append(server.rss_mb()[0])
        threads.append(server.threads())
        files.append(server.open_files())
    return {"reports": reports, "rss_mb": rss_mb, "swap_s": took, "threads": threads, "open_files": files}


def _show_twenty(bench, twenty, weights_mb):
    failed = _failed(twenty["reports"])
    bench.row(f"{SWAPS} swaps: requests that failed", str(failed), "0", failed == 0)
    # The allocator finds its size with the first ones.
    rss_mb = twenty["rss_mb"]
    first, last = statistics.median(rss_mb[2:7]), statistics.median(rss_mb[-5:])
    bench.row("memory after the first ones and the last ones", f"{first:.0f} MB, {last:.0f} MB",
              f"half a model more ({weights_mb / 2:.0f} MB)", last - first <= weights_mb / 2)
    # gRPC's pool of threads breathes.
    for what, counts, spare in ("threads", twenty["threads"], 2), ("open files", twenty["open_files"], 0):
        first, last = max(counts[2:7]), max(counts[-5:])
        bench.row(f"{what} after the first ones and the last ones", f"{first}, {last}", "no more", last <= first + spare)
