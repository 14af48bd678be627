"""Answers a second through gRPC, by callers that wait and then ask again at once: loadgen shares the cores."""

import time

import torch
from live_server import read_metrics
from PIL import Image
from server import cpu_seconds

MODELS = 3  # at once
CALLERS = (1, 64, 256, 1024)
SECONDS = 1.2
DEADLINE_MS = 50


def run(check):
    small = check.work / "small.jpg"
    Image.open(check.photos / "500x375.jpg").convert("RGB").resize((224, 224)).save(small, quality=90)
    models = check.networks[:MODELS]
    photos = {"224x224": small, "500x375": check.photos / "500x375.jpg"}
    before, began = gpu_memory_used(check), time.monotonic()
    with check.server(models, "--max_queue=4096", "--max_bytes_in_flight=4000000000") as server:
        check.row("start", models=len(models), seconds=time.monotonic() - began, gpu_mib_before=before,
                  gpu_mib=gpu_memory_used(check))
        for line in server.log.splitlines():
            if "warmed" in line or "fused" in line or "graph" in line:
                check.row("warm-up", line=line)
        rates = {}
        for model in models:
            for photo, path in photos.items():
                for callers in CALLERS:
                    rates[model, photo, callers] = cell(check, server, model, photo, path, callers=callers)
        for model in models:
            # Half of what it can do: requests are spread evenly, so what is late was late for want of nothing.
            half = rates[model, "224x224", 1024] / 2
            cell(check, server, model, "224x224", small, rate=half)
    check.row("served", what="warnings", lines=sum(" warning " in line for line in server.log.splitlines()))


def cell(check, server, model, photo, path, callers=None, rate=None):
    load = [f"--concurrency={callers}", "--deadline=30s"] if rate is None else [f"--rate={rate:.0f}",
                                                                             f"--deadline={DEADLINE_MS}ms"]
    before, cpu, began = read_metrics(server.metrics_address), cpu_seconds(server.pid), time.monotonic()
    report = check.loadgen(server, f"--models={model}", "--connections=4", f"--duration={SECONDS}s", "--warm_up=0.4s",
                           *load, path)
    seconds = time.monotonic() - began
    spent = read_metrics(server.metrics_address) - before
    batches = spent["patchserve_batch_size_count", f"model={model}"]
    check.row("served", model=model, photo=photo, callers=callers or f"{rate:.0f}/s", answers_per_s=report["throughput_per_s"],
              p50_ms=report["latency_ms"]["p50"], p99_ms=report["latency_ms"]["p99"],
              in_time=report["goodput_per_s"] / max(report["throughput_per_s"], 1e-9), loadgen_is_limit=report["loadgen"]["is_limit"],
              batch=spent["patchserve_batch_size_sum", f"model={model}"] / max(batches, 1),
              device_busy=spent["patchserve_device_busy_seconds_total"] / seconds,
              server_cores=(cpu_seconds(server.pid) - cpu) / seconds)
    return report["throughput_per_s"]


def gpu_memory_used(check):
    """MiB, by all processes; None where there is no GPU."""
    if check.device == "cpu":
        return None
    free, total = torch.cuda.mem_get_info()
    return (total - free) / 2**20
