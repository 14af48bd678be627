#!/usr/bin/env python3
"""The live server under overload, misbehaving clients and SIGTERM: a table with the goal beside each figure.

  make bench-overload

The server is pinned to core 0, its clients to core 1: leave the machine alone meanwhile.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "bench"))

import memory  # noqa: E402
import neighbours  # noqa: E402
import nuisances  # noqa: E402
import overload  # noqa: E402
import plot  # noqa: E402
import stops  # noqa: E402
import swaps  # noqa: E402
from bench import Bench  # noqa: E402
from live_server import CLIENT_CORE  # noqa: E402
from loadgen import percentile  # noqa: E402

PHOTO = ROOT / "tests" / "data" / "images" / "500x375.jpg"
MODEL = "vit_tiny_patch16_224"
SCENARIOS = {"overload": overload.run, "closed": overload.run_closed, "refusals": overload.run_refusals,
             "recovery": overload.run_recovery, "memory": memory.run, "nuisances": nuisances.run, "neighbours": neighbours.run, "stops": stops.run, "swaps": swaps.run}

PAGE = """\
## The live server

`make bench-overload`, {date}: the server on one core, `loadgen` and the other clients on a second one;
`vit_tiny_patch16_224` with random weights in float32, a JPEG of 500x375 pixels. Loads are in times of what the
server can do, arrivals are Poisson, latency and deadlines count from the moment that a request was due. What is
repeated is shown as the median. "Admitted" is everything that the server didn't refuse on arrival; what a core
spends on RPCs is the server's CPU time outside the threads that decode and run images.
{picture}
{tables}"""


def draw(path, cells):
    """Over the load, in times capacity: goodput, latency, and what the refusals cost."""
    def median(load, value):
        values = sorted(value(cell) for cell in cells[load])
        return values[len(values) // 2]

    def series(value):
        return [(float(load), median(load, value)) for load in cells]

    plot.lines(path, [
        {"title": "answers in time, a second", "series": {"goodput": series(lambda c: c["goodput"])}},
        {"title": "latency of answers, ms", "series": {
            name: series(lambda c, name=name: percentile(c, name)) for name in ("p50", "p99")}},
        {"title": "share of the core spent on RPCs", "series": {
            "RPCs": series(lambda c: c["rpc_cpu_s"] / (c["rpc_cpu_s"] + c["work_cpu_s"]))}},
    ], x_label="load, times capacity", x_log=True)


def page(bench, svg):
    picture = f"\n![goodput, latency and the cost of refusals over the load]({svg})\n" if svg else ""
    return PAGE.format(date=datetime.date.today(), tables=bench.markdown(), picture=picture)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; default: all")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "bin")
    parser.add_argument("--quick", action="store_true", help="does it work? The figures are noise")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    parser.add_argument("--svg", type=pathlib.Path)
    args = parser.parse_args()
    if unknown := set(args.scenarios) - set(SCENARIOS):
        parser.error(f"no scenario is called {' or '.join(unknown)}")

    os.sched_setaffinity(0, {CLIENT_CORE})
    start = time.monotonic()
    sizes = {"seconds": 3, "rounds": 1, "stops": 2} if args.quick else {"seconds": 10, "rounds": 3, "stops": 20}
    with tempfile.TemporaryDirectory() as checkpoint:
        subprocess.run([args.bin / "make_random_checkpoint", MODEL, checkpoint], check=True)
        bench = Bench(args.bin, checkpoint, PHOTO, **sizes)
        overload.find_capacity(bench)
        for name in args.scenarios or SCENARIOS:
            SCENARIOS[name](bench)
    print(f"\n{time.monotonic() - start:.0f} s")
    for file in filter(None, (args.json, args.markdown, args.svg)):
        file.parent.mkdir(parents=True, exist_ok=True)
    if args.json:
        args.json.write_text(json.dumps({"rows": bench.rows, **bench.data}, indent=1) + "\n")
    if args.markdown:
        args.markdown.write_text(page(bench, args.svg and os.path.relpath(args.svg, args.markdown.parent)))
    if args.svg and "overload" in bench.data:
        draw(args.svg, bench.data["overload"]["loads"])


if __name__ == "__main__":
    main()
