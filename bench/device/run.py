#!/usr/bin/env python3
"""The real server over a simulated H100: how much of the device it uses, and what RPCs cost, beside the goals.

  make bench-device

The server is pinned to core 0, loadgen to core 1: leave the machine alone meanwhile.
"""

import argparse
import datetime
import json
import os
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "bench"), str(ROOT / "bench" / "overload")]

import closed  # noqa: E402
import lone  # noqa: E402
import open_loop  # noqa: E402
from live_server import CLIENT_CORE  # noqa: E402
from simulated import FULL, MODELS, SMALL, write_bmp  # noqa: E402
from tables import Table  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent


class Bench:
    """What every scenario gets: where things are, how long to measure, and where results go."""

    def __init__(self, bin_folder, folder, quick):
        self.bin, self.quick = bin_folder, quick
        self.seconds = 1 if quick else 3  # of a measurement
        self.models = closed.BOTH if quick else MODELS  # that are loaded
        self.photos = {"small": write_bmp(folder / "small.bmp", SMALL), "bmp": write_bmp(folder / "full.bmp", FULL),
                       "jpeg": ROOT / "tests" / "data" / "images" / "500x375.jpg"}
        self.photo_names = {"small": f"{SMALL}x{SMALL} pixels", "bmp": f"{FULL}x{FULL} pixels", "jpeg": "a JPEG of 500x375"}
        self.data, self.chapters = {}, []

    def chapter(self, title):
        self.chapters.append((title, []))
        print(f"\n== {title}", flush=True)

    def table(self, title, columns):
        self.chapters[-1][1].append(Table(title, columns))
        return self.chapters[-1][1][-1]

    def markdown(self):
        return "\n".join(f"### {title}\n\n" + "\n".join(table.markdown() for table in tables)
                         for title, tables in self.chapters)

    def others(self):
        """The most of the server's core that other processes had while a cell was measured, and the mean."""
        shares = [cell["others"] for series in self.data["closed"] for cell in series["cells"].values()]
        shares += [cell["others"] for series in self.data["open"] for cell in series["cells"]]
        return max(shares), sum(shares) / len(shares)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "bin")
    parser.add_argument("--quick", action="store_true", help="does it work? A minute; writes no page")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--markdown", type=pathlib.Path)
    args = parser.parse_args()

    os.sched_setaffinity(0, {CLIENT_CORE})
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args.bin, pathlib.Path(folder), args.quick)
        bench.chapter("Closed loop: callers that never back off")
        closed.run(bench)
        bench.chapter("Open loop: requests with deadlines")
        open_loop.run(bench)
        bench.chapter("A lone request")
        lone.run(bench)
    most, mean = bench.others()
    others = f"other processes used {mean:.0%} of the server's core on average, {most:.0%} at most"
    print(f"\n{others}; {time.monotonic() - start:.0f} s")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({"others": [mean, most], **bench.data}, indent=1) + "\n")
    if args.markdown and not args.quick:
        page = (HERE / "page.md").read_text().format(
            date=datetime.date.today(), others=others, models=", ".join(MODELS), tables=bench.markdown(),
            before=(HERE / "before.md").read_text())
        args.markdown.write_text(page)
    return _batches(bench.data["closed"])


def _batches(closed_loops):
    """0 if many callers share batches, as they do on the slowest machine."""
    for series in closed_loops:
        cells = series["cells"]
        if cells[max(cells)]["batch"] < 8:
            print(f"{series['models']}: batches of {cells[max(cells)]['batch']:.1f} images beside {max(cells)} callers")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
