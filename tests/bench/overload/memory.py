"""How much memory overload takes beyond that of a warm server."""

import pathlib
import tempfile

BUDGET_MB = 256  # --max_bytes_in_flight
SLACK_MB = 100
CALLERS, PHOTO_MB = 64, 8


def show_memory(bench, warm_mb, peak_mb):
    more = peak_mb - warm_mb
    bench.row("most memory beyond the warm server's", f"{more:.0f} MB (warm: {warm_mb:.0f} MB)",
              f"{BUDGET_MB + SLACK_MB} MB, {BUDGET_MB} of them the budget", more <= BUDGET_MB + SLACK_MB)


def run(bench):
    bench.heading(f"{CALLERS} callers with photos of {PHOTO_MB} MB, twice the budget")
    with tempfile.TemporaryDirectory() as folder, bench.server() as server:
        photo = pathlib.Path(folder) / "large.jpg"
        # Decoders end at the JPEG's end: such a photo is long, and quickly decoded.
        photo.write_bytes(bench.photo.read_bytes() + bytes(PHOTO_MB << 20))
        bench.load(server, concurrency=8, seconds=2, deadline=60).report()
        warm_mb, _ = server.rss_mb()
        server.reset_peak_rss()
        before = server.metrics()
        report = bench.load(server, photo=photo, concurrency=CALLERS, connections=8, deadline=60).report()
        did = server.metrics() - before
        _, peak_mb = server.rss_mb()
    bench.data["memory"] = {"report": report, "warm_mb": warm_mb, "peak_mb": peak_mb,
                            "shed": did.by("patchserve_shed_total", "reason")}
    refused = did["patchserve_shed_total", "reason=bytes"]
    bench.row("answers", f"{report['throughput_per_s']:.1f}/s, {refused:.0f} refused for their bytes")
    show_memory(bench, warm_mb, peak_mb)
