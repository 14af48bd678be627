"""How much memory overload takes beyond that of a warm server."""

import pathlib
import tempfile

BUDGET_MB = 256  # --max_bytes_in_flight: images that the server has
RECEIVING_MB = 128  # --max_grpc_memory, here: messages that are still coming in
SLACK_MB = 100
CALLERS, PHOTO_MB = 64, 8


def show_memory(bench, warm_mb, peak_mb, budget_mb=BUDGET_MB):
    more = peak_mb - warm_mb
    bench.row("most memory beyond the warm server's", f"{more:.0f} MB (warm: {warm_mb:.0f} MB)",
              f"{budget_mb + SLACK_MB} MB, {budget_mb} of them budgets", more <= budget_mb + SLACK_MB)


def run(bench):
    bench.heading(f"{CALLERS} callers with photos of {PHOTO_MB} MB, budgets of {BUDGET_MB} MB in flight and {RECEIVING_MB} MB being received")
    with tempfile.TemporaryDirectory() as folder, bench.server(f"--max_grpc_memory={RECEIVING_MB << 20}", f"--max_bytes_in_flight={BUDGET_MB << 20}") as server:
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
    show_memory(bench, warm_mb, peak_mb, BUDGET_MB + RECEIVING_MB)
