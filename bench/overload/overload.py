"""A server of one core at 0.5 to 10 times what it can do; clients have deadlines, and retry by our service config."""

import pathlib
import statistics
import time

from live_server import LiveServer, admitted, refused
from loadgen import percentile
from memory import show_memory

LOADS = (0.5, 1, 2, 5, 10)
GOALS = {2: 0.95, 10: 0.9}  # of the peak goodput
CALLERS = (64, 400, 800)  # of the closed loops
QUICK_MODEL = pathlib.Path(__file__).parents[2] / "models" / "vit_cifar10"


def find_capacity(bench):
    """Sets the deadline to ten times a lone request's time, and the capacity to what eight callers get."""
    bench.heading("Capacity")
    with bench.server() as server:
        lone = bench.load(server, concurrency=1, deadline=10).report()["latency_ms"]["p50"] / 1e3
        bench.deadline = 10 * lone
        bench.capacity = bench.load(server, concurrency=8, deadline=60).report()["throughput_per_s"]
    bench.row("a lone request, p50", f"{lone * 1e3:.1f} ms")
    bench.row("deadline of all requests below", f"{bench.deadline * 1e3:.0f} ms")
    bench.row("8 callers in a closed loop", f"{bench.capacity:.1f} answers/s")
    bench.data["capacity"] = {"lone_s": lone, "deadline_s": bench.deadline, "per_s": bench.capacity}


def run(bench):
    bench.heading("Overload: open loop, with deadlines and retries")
    with bench.server() as server:
        peak_load = _peak_load(bench, server)
        warm_mb, _ = server.rss_mb()
        server.reset_peak_rss()
        rounds = [_round(bench, server, peak_load, seed) for seed in range(1, bench.rounds + 1)]
        _, peak_mb = server.rss_mb()
    cells = {load: [cells[load] for cells in rounds] for load in LOADS}
    for load in LOADS:
        _show_load(bench, load, cells[load])
    share = min(cell["core_share"] for load in (5, 10) for cell in cells[load])
    bench.row("what the server got of its core, at 5 and 10 times", f"{share:.0%} at least",
              "90 %, or all of this is noise", share >= 0.9)
    everything = [cell for cells in rounds for cell in cells.values()]
    _goal(bench, "admitted requests answered OK in time, at the worst load",
          min(_share_in_time(cells[load]) for load in LOADS), 0.99)
    dead = sum(cell["dead"] for cell in everything)
    bench.row("images that ran for nobody", f"{dead:.0f}", "0", dead == 0)
    show_memory(bench, warm_mb, peak_mb)
    bench.data["overload"] = {"peak_load": peak_load, "loads": {str(load): cells[load] for load in LOADS},
                              "warm_mb": warm_mb, "peak_mb": peak_mb}


def _peak_load(bench, server):
    """The load near capacity with the highest goodput."""
    goodputs = {load: _measure(bench, server, load, seed=99)["goodput"] for load in (0.8, 0.9, 1, 1.15, 1.3)}
    best = max(goodputs, key=goodputs.get)
    bench.row("highest goodput", f"{goodputs[best]:.1f}/s, at {best:g} times capacity")
    return best


def _round(bench, server, peak_load, seed):
    """Every load, and the peak right before: what the machine does beside us changes slowly, and their ratio less."""
    peak = _measure(bench, server, peak_load, seed)["goodput"]
    cells = {load: _measure(bench, server, load, seed) for load in LOADS}
    for cell in cells.values():
        cell["of_peak"] = cell["goodput"] / peak
    return cells


def _measure(bench, server, load, seed):
    before, (cpu, working), start = server.metrics(), server.cpu(), time.monotonic()
    report = bench.load(server, rate=load * bench.capacity, retries=True, connections=4, seed=seed).report()
    seconds, (cpu_after, working_after), after = time.monotonic() - start, server.cpu(), server.metrics()
    did = after - before
    return {"offered": report["offered_per_s"], "goodput": report["goodput_per_s"], "latency_ms": report["latency_ms"],
            "results": report["results"], "loadgen": report["loadgen"], "late_p99_ms": report["late_p99_ms"],
            "rpcs": did["patchserve_requests_total"], "admitted": admitted(did), "refused": refused(did),
            "in_time": did["patchserve_images_in_time_total"], "dead": did["patchserve_dead_images_total"],
            "codes": did.by("patchserve_requests_total", "code"), "shed": did.by("patchserve_shed_total", "reason"),
            "images": did["patchserve_images_total"], "core_share": (cpu_after - cpu) / seconds,
            "rpc_cpu_s": cpu_after - cpu - (working_after - working), "work_cpu_s": working_after - working}


def _show_load(bench, load, cells):
    median = statistics.median(cell["of_peak"] for cell in cells)
    goodput = statistics.median(cell["goodput"] for cell in cells)
    p99 = statistics.median(percentile(cell, "p99") for cell in cells)
    refusals = sum(cell["refused"] for cell in cells) / sum(cell["rpcs"] for cell in cells)
    limit = ", LOADGEN AT ITS LIMIT" if any(cell["loadgen"]["is_limit"] for cell in cells) else ""
    goal = GOALS.get(load)
    bench.row(f"{load:g} times capacity ({load * bench.capacity:.0f}/s)",
              f"{goodput:.1f}/s ({median:.0%} of peak), p99 {p99:.0f} ms, {refusals:.0%} of tries refused{limit}",
              f"{goal:.0%} of peak" if goal else "", median >= goal if goal else None)


def _share_in_time(cells):
    return sum(cell["in_time"] for cell in cells) / sum(cell["admitted"] for cell in cells)


def _goal(bench, what, share, goal):
    bench.row(what, f"{share:.2%}", f"{goal:.0%}", share >= goal)


def run_refusals(bench):
    """What a refusal costs: a device kept busy by callers with time, beside an open loop that has enough for an idle
    device, and not for this one."""
    bench.heading("Refusals alone")
    with bench.server() as server:
        for rate in (250, 500, 1000, 2000, 4000, 8000):
            busy = bench.load(server, concurrency=32, deadline=60, warm_up=0, seconds=bench.seconds / 2 + 2)
            cell = _measure_refusals(bench, server, rate)
            busy.report()
            bench.data.setdefault("refusals", {})[str(rate)] = cell
            _show_refusals(bench, rate, cell)
            if cell["count"] < 0.9 * rate * cell["seconds"]:
                break


def _measure_refusals(bench, server, rate):
    seconds = bench.seconds / 2
    open_loop = bench.load(server, rate=rate, deadline=bench.deadline / 5, seconds=seconds, warm_up=0, connections=4)
    before, (cpu, working) = server.metrics(), server.cpu()
    report = open_loop.report()
    after, (cpu_after, working_after) = server.metrics(), server.cpu()
    did = after - before
    count = did["patchserve_request_duration_seconds_count", "outcome=failed"]
    return {"count": count, "shed": did.by("patchserve_shed_total", "reason"), "loadgen": report["loadgen"],
            "results": report["results"], "late_p99_ms": report["late_p99_ms"],
            "images": did["patchserve_images_total"],
            "handler_us": did["patchserve_request_duration_seconds_sum", "outcome=failed"] / count * 1e6,
            "cpu_us": (cpu_after - cpu - (working_after - working)) / count * 1e6, "seconds": seconds}


def _show_refusals(bench, rate, cell):
    bench.row(f"{rate}/s, of which {cell['count'] / cell['seconds']:.0f}/s came",
              f"handler to Finish {cell['handler_us']:.0f} us, RPC {cell['cpu_us']:.0f} CPU-us; "
              f"loadgen used {cell['loadgen']['cores_used']:.0%} of its core",
              "20 us to Finish", cell["handler_us"] <= 20)


def run_recovery(bench):
    """The same half load before a burst and from half a second after it."""
    bench.heading("After a burst of 10 times capacity")
    with bench.server() as server:
        half = {"rate": bench.capacity / 2, "seed": 7, "warm_up": 0.5}
        before = bench.load(server, **half).report()
        bench.load(server, rate=10 * bench.capacity, retries=True, connections=4, seconds=bench.seconds / 2).report()
        after = bench.load(server, **half).report()
    bench.data["recovery"] = {"before": before, "after": after}
    p99, p99_after = percentile(before, "p99"), percentile(after, "p99")
    bench.row("p99 of half load before", f"{p99:.0f} ms")
    bench.row("p99 of half load, 0.5 s after the burst", f"{p99_after:.0f} ms", "within 1.25 of it",
              p99_after <= 1.25 * p99)


def run_closed(bench):
    """Callers that wait for their answers, and come back at once: also when they are refused."""
    for what, flags in ("a place for each", ["--max_queue=4096"]), ("256 places", ["--max_queue=256"]):
        bench.heading(f"Callers in a closed loop that never back off, {QUICK_MODEL.name}, {what}")
        with LiveServer(bench.bin / "patchserve", f"--models={QUICK_MODEL}", *flags) as server:
            reports = {callers: bench.load(server, concurrency=callers, deadline=60, connections=4,
                                           seconds=bench.seconds / 2).report() for callers in CALLERS}
        bench.data.setdefault("closed", {})[what] = reports
        first = reports[CALLERS[0]]["goodput_per_s"]
        for callers, report in reports.items():
            limit = ", LOADGEN AT ITS LIMIT" if report["loadgen"]["is_limit"] else ""
            refused_ = sum(count for code, count in report["results"].items() if code != "OK")
            goodput = report["goodput_per_s"]
            bench.row(f"{callers} callers", f"{goodput:.0f} answers/s, {refused_ / sum(report['results'].values()):.0%} refused{limit}",
                      "" if callers == CALLERS[0] else f"90 % of those at {CALLERS[0]}",
                      None if callers == CALLERS[0] else goodput >= 0.9 * first)
