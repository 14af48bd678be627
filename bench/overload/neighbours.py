"""A model with little to do beside others that are overloaded, on one device."""

from loadgen import percentile

STEADY, BURST = 0.3, 5  # times capacity
SPARSE, BUSY = 0.1, 2


def run(bench):
    bench.heading(f"A model at {STEADY:g} times capacity, another one's burst of {BURST:g} times beside it")
    with bench.server(models=("steady", "bursty")) as server:
        alone = _steady_load(bench, server).report()
        load = _steady_load(bench, server)
        burst = bench.load(server, models="bursty", rate=BURST * bench.capacity, retries=True, connections=4, seed=4,
                           seconds=bench.seconds + 1, warm_up=0)
        beside, burst = load.report(), burst.report()
    bench.data["neighbours"] = {"alone": alone, "beside": beside, "burst": burst}
    for name, report, goal in (("alone", alone, ""), ("beside the burst", beside, "95 % of the goodput, p99 in time")):
        goodput, p99 = report["goodput_per_s"], percentile(report, "p99")
        met = goodput >= 0.95 * alone["goodput_per_s"] and p99 <= bench.deadline * 1e3 if goal else None
        bench.row(f"the steady one, {name}",
                  f"{goodput:.1f} of {report['offered_per_s']:.1f}/s in time, p99 {p99:.0f} ms", goal, met)
    bench.row("the bursty one meanwhile", f"{burst['goodput_per_s']:.1f}/s in time")
    _sparse(bench)


def _sparse(bench):
    bench.heading(f"A model at {SPARSE:g} times capacity, two others at {BUSY:g} times beside it")
    with bench.server(models=("sparse", "busy", "busier")) as server:
        load = bench.load(server, models="sparse", rate=SPARSE * bench.capacity, retries=True, seed=3)
        busy = [bench.load(server, models=name, rate=BUSY * bench.capacity, retries=True, connections=4, seed=seed,
                           seconds=bench.seconds + 1, warm_up=0) for seed, name in enumerate(("busy", "busier"), 4)]
        sparse, busy = load.report(), [other.report() for other in busy]
    bench.data["sparse"] = {"sparse": sparse, "busy": busy}
    goodput, offered = sparse["goodput_per_s"], sparse["offered_per_s"]
    bench.row("the sparse one", f"{goodput:.1f} of {offered:.1f}/s in time, p99 {percentile(sparse, 'p99'):.0f} ms",
              "95 % in time", goodput >= 0.95 * offered)
    for name, report in zip(("the first busy one", "the second"), busy):
        bench.row(name, f"{report['goodput_per_s']:.1f} of {report['offered_per_s']:.1f}/s in time")


def _steady_load(bench, server):
    return bench.load(server, models="steady", rate=STEADY * bench.capacity, retries=True, seed=3)
