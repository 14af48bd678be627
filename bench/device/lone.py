"""What a request takes beside its time on the device when there is no other."""

from loadgen import percentile
from measure import measure
from simulated import SMALL, Device, DeviceServer

ADDED_MS = 0.3  # the goal
COLUMNS = ["model", "requests", "the device's time", f"added ms, p50, {ADDED_MS}", "p99"]


def run(bench):
    rows = bench.table(f"A lone request, {bench.photo_names['small']}", COLUMNS)
    with DeviceServer(bench.bin, f"--image_size={SMALL}", models=bench.models) as server:
        for model in bench.models:
            device = Device([model]).seconds(1) * 1e3
            cell = measure(server, bench.bin, bench.photos["small"], seconds=1, models=[model], concurrency=1)
            report = cell["loadgen"]
            p50, p99 = (percentile(report, name) - device for name in ("p50", "p99"))
            rows.add(model, report["latency_ms"]["count"], f"{device:.2f}", (f"{p50:.2f}", p50 <= ADDED_MS),
                     f"{p99:.2f}")
            bench.data.setdefault("lone", []).append({"model": model, "device_ms": device, **cell})
