#!/usr/bin/env python3
"""Plots what `simulate --csv=FILE` wrote, for docs/scheduling.md: `make simulate-plots`.

  bench/python.sh bench/simulate/requirements.txt bench/simulate/plots.py FILE docs
"""

import collections
import csv
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import plot  # noqa: E402

PEERS = ["triton", "triton-defaults", "tf-serving", "greedy", "aimd", "deferred", "pard"]
POLICIES = [*PEERS, "ours"]  # the last lies on top


def read(path):
    """{(curve, traffic, budget, load): {policy: [a row a seed]}}"""
    cells = collections.defaultdict(lambda: collections.defaultdict(list))
    with open(path) as file:
        for row in csv.DictReader(file):
            cell = (row["curve"], row["traffic"], float(row["budget"]), float(row["load"]))
            cells[cell][row["policy"]].append(row)
    return cells


def mean(rows, column):
    return statistics.fmean(float(row[column]) for row in rows)


def series(cells, curve, traffic, budget, column):
    chosen = sorted((cell[3], rows) for cell, rows in cells.items() if cell[:3] == (curve, traffic, budget))
    return {policy: [(load, mean(rows[policy], column)) for load, rows in chosen] for policy in POLICIES}


def by_load(cells, path):
    panels = [{"title": f"{curve}, {traffic}, budget {budget:g}",
               "series": series(cells, curve, traffic, budget, "of_bound")}
              for curve in ("cpu-convmixer", "gpu", "h100-vit_base") for traffic, budget in (("poisson", 2), ("poisson", 5), ("bursty", 2))]
    plot.lines(path, panels, x_label="load", y_label="in time, share of the bound")


def latency(cells, path):
    panels = [{"title": f"{curve}, poisson, budget 5", "series": series(cells, curve, "poisson", 5, "p99_ms")}
              for curve in ("cpu-vit", "cpu-convmixer", "gpu", "h100-vit_tiny", "h100-vit_base", "h100-convmixer")]
    plot.lines(path, panels, x_label="load", y_label="p99 of what is in time, ms")


def against_best(cells, path):
    """Ours over the best peer, the cells of each kind of traffic in order; those of the H100 apart."""
    ratios = collections.defaultdict(list)
    for (curve, traffic, _, _), rows in cells.items():
        best = max(mean(rows[policy], "goodput") for policy in PEERS)
        kind = "H100" if curve.startswith("h100") else "others"
        ratios[traffic, kind].append(mean(rows["ours"], "goodput") / best)
    panels = []
    for traffic in dict.fromkeys(traffic for traffic, _ in ratios):
        lines = {}
        for kind in ("others", "H100"):
            values = sorted(ratios[traffic, kind])
            lines[f"ours / best peer, {kind}"] = [(share(i, values), value) for i, value in enumerate(values)]
        lines["2 % behind"] = [(0, 0.98), (1, 0.98)]
        panels.append({"title": traffic, "series": lines})
    plot.lines(path, panels, x_label="share of the cells, sorted", y_label="goodput, ratio", y_from_zero=False)


def share(i, values):
    return i / max(1, len(values) - 1)


def main():
    cells, folder = read(sys.argv[1]), pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    by_load(cells, folder / "scheduling-load.svg")
    latency(cells, folder / "scheduling-latency.svg")
    against_best(cells, folder / "scheduling-best.svg")


if __name__ == "__main__":
    main()
