"""Answers a second through gRPC, by callers that wait and then ask again at once: loadgen shares the cores."""

import concurrent.futures
import time

import torch
from live_server import read_metrics
from PIL import Image
from server import cpu_seconds, thread_cpu_seconds

MODELS = 3  # at once
CALLERS, FEWER_CALLERS = (1, 64, 256, 1024), (1, 1024)  # of the first model with small photos, of the others
PHOTOS_CALLERS = (64, 1024)  # with 500x375, of the first model: decoding is the limit, the same for all
SECONDS, WARM_UP = 1.2, 0.4
EDGE = 0.25  # so far from the load's begin and end the server's own figures are read
DEADLINE_MS = 50


def run(check):
    models = check.networks[:MODELS]
    photos = make_photos(check)
    before, began = gpu_memory_used(check), time.monotonic()
    with check.server(models, "--max_queue=4096", "--max_bytes_in_flight=4000000000", "--triton_metrics") as server:
        check.row("start", models=len(models), seconds=time.monotonic() - began, gpu_mib_before=before,
                  gpu_mib=gpu_memory_used(check))
        for line in server.log.splitlines():
            if "warmed" in line or "fused" in line or "graph" in line:
                check.row("warm-up", line=line)
        rates = {}
        for model in models:
            for callers in CALLERS if model == models[0] else FEWER_CALLERS:
                rates[model, callers] = cell(check, server, model, "224x224", photos["224x224"], callers=callers)
        for callers in PHOTOS_CALLERS:
            cell(check, server, models[0], "500x375", photos["500x375"], callers=callers)
        for model in models:
            # Half of what it can do: requests are spread evenly, so what is late was late for want of nothing.
            half = rates[model, 1024] / 2
            cell(check, server, model, "224x224", photos["224x224"], rate=half)
    check.row("warnings", precision="bfloat16", lines=sum(" warning " in line for line in server.log.splitlines()))


def make_photos(check):
    small = check.work / "small.jpg"
    Image.open(check.photos / "500x375.jpg").convert("RGB").resize((224, 224)).save(small, quality=90)
    return {"224x224": small, "500x375": check.photos / "500x375.jpg"}


def cell(check, server, model, photo, path, callers=None, rate=None):
    load = [f"--concurrency={callers}", "--deadline=30s"] if rate is None else [f"--rate={rate:.0f}",
                                                                             f"--deadline={DEADLINE_MS}ms"]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        report = pool.submit(check.loadgen, server, f"--models={model}", "--connections=4", f"--duration={SECONDS}s",
                             f"--warm_up={WARM_UP}s", *load, path)
        time.sleep(WARM_UP + EDGE)
        before, began = read_metrics(server.metrics_address), time.monotonic()
        cpu, decoding = cpu_seconds(server.pid), thread_cpu_seconds(server.pid, "decode")
        time.sleep(SECONDS - 2 * EDGE)
        after, seconds = read_metrics(server.metrics_address), time.monotonic() - began
        cpu, decoding = cpu_seconds(server.pid) - cpu, thread_cpu_seconds(server.pid, "decode") - decoding
        spent = after - before
        report = report.result()

    def stage(name, part):
        return spent[f"patchserve_stage_duration_seconds_{part}", f"model={model}", f"stage={name}"]

    check.row("served", model=model, photo=photo, callers=callers or "half", rate=rate or 0.0,
              answers_per_s=report["throughput_per_s"],
              p50_ms=report["latency_ms"]["p50"], p99_ms=report["latency_ms"]["p99"],
              in_time=report["goodput_per_s"] / max(report["throughput_per_s"], 1e-9), loadgen_is_limit=report["loadgen"]["is_limit"],
              batch=spent["patchserve_batch_size_sum", f"model={model}"]
              / max(spent["patchserve_batch_size_count", f"model={model}"], 1),
              decode_ms=1e3 * stage("decode", "sum") / max(stage("decode", "count"), 1),
              run_ms=1e3 * stage("run", "sum") / max(stage("run", "count"), 1), decoding_cores=decoding / seconds,
              gpu_busy=after.by("nv_gpu_utilization", "gpu_uuid").get(gpu_uuid(check)),
              runners_busy=spent["patchserve_device_busy_seconds_total"] / seconds, server_cores=cpu / seconds)
    return report["throughput_per_s"]


def gpu_uuid(check):
    """As NVML has it, whose utilisation is of up to a second until it is asked."""
    return None if check.device == "cpu" else f"GPU-{torch.cuda.get_device_properties(check.device).uuid}"


def gpu_memory_used(check):
    """MiB, by all processes; None where there is no GPU."""
    if check.device == "cpu":
        return None
    free, total = torch.cuda.mem_get_info()
    return (total - free) / 2**20
