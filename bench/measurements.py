"""What docs/performance.md shows, measured: each function runs one of the tree's programs and returns plain data."""

import datetime
import json
import os
import pathlib
import platform
import re
import subprocess
import tempfile

import PIL
from resample_ratios import compare
from server import BIN, Server

ROOT = pathlib.Path(__file__).resolve().parents[1]
HERE = ROOT / "bench"
PHOTO = ROOT / "tests" / "data" / "images" / "500x375.jpg"
PRECISIONS = ("float32", "bfloat16")
BUNDLED = ("convmixer_cifar10", "vit_cifar10")
MODELS = (*BUNDLED, "vit_tiny_patch16_224", "vit_base_patch16_224", "convmixer_768_32")


def run(*command):
    print("performance:", *command, flush=True)
    return subprocess.run(list(map(str, command)), check=True, cwd=ROOT, text=True, stdout=subprocess.PIPE).stdout


def machine():
    cpu = dict(re.findall(r"^([^:\n]+):\s*(.*)$", subprocess.run(["lscpu"], text=True, check=True, stdout=subprocess.PIPE,
                                                               env=dict(os.environ, LC_ALL="C")).stdout, re.M))
    flags = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in cpu["Flags"].split()]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    changed = run("git", "status", "--porcelain", "--", "server", "client", "proto", "bench", "tests", "models").strip()
    return {"cpu": cpu["Model name"], "cores": len(os.sched_getaffinity(0)), "flags": flags,
            "virtual": "Hypervisor vendor" in cpu, "memory_gib": round(memory), "kernel": platform.release(),
            "date": f"{datetime.date.today()}", "pillow": PIL.__version__,
            "commit": run("git", "rev-parse", "--short=12", "HEAD").strip() + (" with changes" if changed else "")}


def google_benchmarks(binary, seconds, filter="."):
    """-> {benchmark: {"cpu_ms", "wall_ms", "items_per_s"}}"""
    runs = json.loads(run(BIN / binary, f"--benchmark_min_time={seconds}", f"--benchmark_filter={filter}",
                          "--benchmark_format=json"))["benchmarks"]
    to_ms = {"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1e3}
    return {run["name"]: {"cpu_ms": run["cpu_time"] * to_ms[run["time_unit"]],
                          "wall_ms": run["real_time"] * to_ms[run["time_unit"]],
                          "items_per_s": run.get("items_per_second")} for run in runs}


def parts(quick, bfloat16_instructions):
    """The benchmarks of the parts, and resampling beside PyTorch's and Pillow's.

    Without bfloat16_instructions, large batches of large models in bfloat16 are left out: they take a minute.
    """
    seconds = 0.02 if quick else 0.5
    image = google_benchmarks("image_bench", seconds)
    all_networks = "." if bfloat16_instructions else "-(vit_base|convmixer_768).*/bfloat16/4"
    model = google_benchmarks("model_bench", seconds, "Normalize|cifar10/float32" if quick else all_networks)
    return {**image, **google_benchmarks("pipeline_bench", seconds), **model}, \
        compare({name: times["cpu_ms"] for name, times in image.items()})


def folder_of(model, scratch):
    """A checkpoint folder: of a bundled model, or with random weights."""
    if model in BUNDLED:
        return ROOT / "models" / model
    folder = pathlib.Path(scratch) / model
    if not folder.exists():
        run(BIN / "make_random_checkpoint", model, folder)
    return folder


def serving(model, precision, photo_s, quick):
    """Served over bare, and the lone request, as serving_bench writes it; photo_s: how long a photo takes, about."""
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "report.json"
        length = ["--seconds=0.2", "--rounds=1"] if quick else [f"--seconds={max(2, 12 * photo_s):.1f}", "--rounds=3"]
        run(BIN / "serving_bench", f"--model={folder_of(model, scratch)}", f"--only={precision}", f"--json={report}",
            f"--photo={PHOTO}", *length)
        return json.loads(report.read_text())[0]


def against_concurrency(model, precision, quick):
    """A closed loop of loadgen for 1 to 32 callers -> a row each, as long as a round of all callers takes at most 6 s."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        with Server(BIN / "patchserve", f"--models={folder_of(model, scratch)}", f"--precision={precision}",
                    "--device=cpu", "--default_deadline=1h") as server:
            round_s = 0  # in which every caller is answered once
            for callers in (1, 8) if quick else (1, 2, 4, 8, 16, 32):
                expected = round_s * callers / max(1, min(callers, len(os.sched_getaffinity(0))))
                if expected > (0.5 if quick else 6):
                    break
                warm_up, seconds = (0.1, 0.3) if quick else (max(0.5, expected), max(3, 2 * expected))
                rows.append(closed_loop(server, callers, warm_up, seconds))
                if callers == 1:
                    round_s = rows[0]["p50_ms"] / 1e3
    return rows


def closed_loop(server, callers, warm_up, seconds):
    report = json.loads(run(BIN / "loadgen", f"--server={server.address}", f"--concurrency={callers}",
                            f"--warm_up={warm_up}s", f"--duration={seconds}s", "--deadline=inf", "--json=-", PHOTO))
    if set(report["results"]) != {"OK"}:
        raise RuntimeError(f"not all requests were answered: {report['results']}")
    return {"callers": callers, "answers_per_s": report["throughput_per_s"], "p50_ms": report["latency_ms"]["p50"],
            "p90_ms": report["latency_ms"]["p90"], "p99_ms": report["latency_ms"]["p99"],
            "loadgen_cores": report["loadgen"]["cores_used"], "loadgen_is_limit": report["loadgen"]["is_limit"]}


def peers(quick):
    with tempfile.NamedTemporaryFile() as report:
        run(HERE / "python.sh", HERE / "peers" / "requirements.txt", HERE / "peers" / "compare.py",
            f"--json={report.name}", *(["--rounds=1", "--seconds=1"] if quick else []))
        return json.load(report)


def openvino(quick):
    """The networks' forward beside OpenVINO's -> {"version", "rows"}, as openvino_ratio.py writes it."""
    with tempfile.NamedTemporaryFile() as report:
        run(HERE / "python.sh", HERE / "peers" / "openvino_requirements.txt", HERE / "peers" / "openvino_ratio.py",
            f"--json={report.name}", "--seconds=1", "--batches", "1", "4",
            *(["--rounds=1", "--seconds=0.1", "--", "vit_tiny_patch16_224"] if quick else []))
        return json.load(report)
