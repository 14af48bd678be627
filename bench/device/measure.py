"""One cell of the tables: a load on a server, and what the server and its device did meanwhile."""

import time

from live_server import admitted, refused
from loadgen import Loadgen, milliseconds

MARGIN = 0.3  # seconds that the load starts before and ends after what is measured


def measure(server, bin_folder, photo, *, seconds, warm_up=1.0, models=(), **load):
    """`models`: who the requests are for, each as often as the others. -> figures by name."""
    load_time = Loadgen(bin_folder / "loadgen", server, photo, models=",".join(f"{model}=1" for model in models),
                        connections=8, warm_up=milliseconds(warm_up), duration=milliseconds(seconds + 2 * MARGIN), **load)
    time.sleep(warm_up + MARGIN)
    before = _state(server)
    time.sleep(seconds)
    after = _state(server)
    return {**_figures(before, after), "loadgen": load_time.report()}


def _state(server):
    start = time.monotonic()
    metrics = server.metrics()
    cpu, decode_cpu = server.cpu()[0], server.cpu_of("decode")
    between = time.monotonic()
    account = server.account()
    # A scrape of a busy server takes a while: what it says is as of its middle.
    return {"metrics": metrics, "at": (start + between) / 2, "cpu": cpu, "decode_cpu": decode_cpu,
            "core_busy": server.core_busy(), "account": account, "account_at": (between + time.monotonic()) / 2}


def _figures(before, after):
    did, device = after["metrics"] - before["metrics"], after["account"] - before["account"]
    seconds = after["at"] - before["at"]
    cpu, decode_cpu = (after[key] - before[key] for key in ("cpu", "decode_cpu"))
    answers = did["patchserve_requests_total", "code=OK"]
    requests = did["patchserve_requests_total"]
    by_size = {int(size): count for size, count in device.by("device_batches_total", "size").items() if count}
    batches, charged = sum(by_size.values()), sum(size * count for size, count in by_size.items())
    images = did["patchserve_images_total"]
    return {"answers": answers / seconds, "requests": requests / seconds,
            "in_time": did["patchserve_images_in_time_total"], "admitted": admitted(did),
            "refused": refused(did) / max(requests, 1), "shed": did.by("patchserve_shed_total", "reason"),
            # A batch may end between the two scrapes.
            "batch": charged / max(batches, 1), "fill": min(1, images / max(charged, 1)),
            "by_size": dict(sorted(by_size.items())),
            "busy": device["device_busy_seconds_total"] / (after["account_at"] - before["account_at"]),
            "first_uses_s": device["device_first_use_seconds_total"],
            "cpu_us": (cpu - decode_cpu) / max(answers, 1) * 1e6, "decode_us": decode_cpu / max(answers, 1) * 1e6,
            "core": cpu / seconds, "others": (after["core_busy"] - before["core_busy"] - cpu) / seconds}
