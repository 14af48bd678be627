"""Requests with deadlines, that come at 0.5 to 3 times the capacity whatever the server does."""

from closed import BASE, BOTH, MIXER, TINY
from loadgen import percentile
from measure import measure
from simulated import SMALL, Device, DeviceServer

LOADS = (0.5, 1, 2, 3)
DEADLINES_MS = (5, 20, 100)
IN_TIME = 0.99  # of the admitted: the goal
COLUMNS = ["deadline", "load", "came/s", "answered in time/s", "of the capacity", f"of the admitted in time, {IN_TIME:.0%}",
           "refused", "mean batch", "device busy", "p99 ms"]


def run(bench):
    asked = [(BASE,)] if bench.quick else [(TINY,), (BASE,), (MIXER,), BOTH]
    with DeviceServer(bench.bin, "--noise=0.03", "--max_queue=4096", f"--image_size={SMALL}",
                      models=bench.models) as server:
        for models in asked:
            _series(bench, server, models)


def _series(bench, server, models):
    capacity = _capacity(bench, models)
    rows = bench.table(f"{' and '.join(models)}, {bench.photo_names['small']}: capacity {capacity:.0f}/s", COLUMNS)
    cells = []
    for deadline in DEADLINES_MS[1:2] if bench.quick else DEADLINES_MS:
        for load in LOADS[::2] if bench.quick else LOADS:
            cell = measure(server, bench.bin, bench.photos["small"], seconds=bench.seconds, models=models,
                           rate=load * capacity, deadline=f"{deadline}ms")
            cells.append({"deadline_ms": deadline, "load": load, **cell})
            report, in_time = cell["loadgen"], _share_in_time(cell)
            p99 = f"{percentile(report, 'p99'):.1f}" if report["latency_ms"]["count"] else "-"
            rows.add(f"{deadline} ms", f"{load:g}",
                     f"{cell['requests']:.0f}{' (loadgen)' if report['loadgen']['is_limit'] else ''}",
                     f"{report['goodput_per_s']:.0f}", f"{report['goodput_per_s'] / capacity:.0%}",
                     (f"{in_time:.2%}" if in_time is not None else "none admitted", (in_time or 0) >= IN_TIME), f"{cell['refused']:.0%}", f"{cell['batch']:.1f}",
                     f"{cell['busy']:.0%}", p99)
    bench.data.setdefault("open", []).append({"models": models, "capacity": capacity, "cells": cells})


def _share_in_time(cell):
    """Of the admitted; None where hardly any were: those that came at the edges of the measurement hide them."""
    return cell["in_time"] / cell["admitted"] if cell["admitted"] > 10 else None


def _capacity(bench, models):
    """Of the device, or of the core at the least that an answer of any model cost in the closed loops."""
    costs = [cell["cpu_us"] + cell["decode_us"] for series in bench.data["closed"] for cell in series["cells"].values()
             if series["photo"] == "small" and cell["answers"] > 0]
    return min(Device(models).peak(), 1e6 / min(costs))
