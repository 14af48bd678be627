#!/usr/bin/env python3
"""Measures and writes docs/performance.md with its plots: `make performance`.

  bench/python.sh bench/requirements.txt bench/performance_page.py [--quick] [--out docs]

About 25 minutes on two cores that do nothing else, and 5 GB once for the peers' packages; --quick: 3 minutes,
for trying it out (its figures mean nothing, so --out is build/docs then).
"""

import argparse
import json
import pathlib
import textwrap

import measurements
import plot
from measurements import BUNDLED, MODELS, PRECISIONS, ROOT

TOO_SLOW_MS = 1000  # a forward that takes longer isn't measured any further


def measure(quick, with_peers):
    machine = measurements.machine()
    parts, resampling = measurements.parts(quick, {"avx512_bf16", "amx_bf16"} & set(machine["flags"]))
    figures = {"machine": machine, "parts": parts, "resampling": resampling, "load": [], "serving": []}
    for model in BUNDLED if quick else MODELS:
        for precision in PRECISIONS[:1] if quick else PRECISIONS:
            if parts[f"Forward/{model}/{precision}/1"]["cpu_ms"] > TOO_SLOW_MS:
                continue
            rows = measurements.against_concurrency(model, precision, quick)
            figures["load"].append({"model": model, "precision": precision, "rows": rows})
            photo_s = rows[0]["p50_ms"] / 1e3
            figures["serving"].append({"model": model, **measurements.serving(model, precision, photo_s, quick)})
    figures["peers"] = measurements.peers(quick) if with_peers else []
    figures["openvino"] = measurements.openvino(quick) if with_peers else None
    return figures


def table(columns, rows):
    """Columns named "<..." are text, the others numbers."""
    lines = ["| " + " | ".join(column.lstrip("<") for column in columns) + " |",
             "|" + "|".join("---" if column.startswith("<") else "---:" for column in columns) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def number(value):
    """Three digits that count, without an exponent."""
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 4
    return f"{value:,.{digits}f}"


def about(machine, command):
    return textwrap.fill(f"Measured {machine['date']} at commit {machine['commit']} by `{command}` on {machine['cores']} cores of an "
            f"{machine['cpu']} ({', '.join(machine['flags']) or 'no AVX2'}; {machine['memory_gib']} GiB, Linux "
            f"{machine['kernel']}{', a virtual machine' if machine['virtual'] else ''}). Client and server share the "
            "cores. Ratios are of figures from this one run, those of two programs from rounds that take turns.", 120)


def load_section(load):
    callers = sorted({row["callers"] for cell in load for row in cell["rows"]})

    def rows(text):
        for cell in load:
            by_callers = {row["callers"]: text(row) for row in cell["rows"]}
            yield [cell["model"], cell["precision"], *(by_callers.get(n, "") for n in callers)]

    columns = ["<model", "<precision", *map(str, callers)]
    throughput = table(columns, rows(lambda row: number(row["answers_per_s"])))
    latency = table(columns, rows(lambda row: f"{number(row['p50_ms'])} / {number(row['p99_ms'])}"))
    most = max(row["loadgen_cores"] for cell in load for row in cell["rows"])
    return f"""`loadgen` in a closed loop with so many callers, a 500x375 JPEG, top-5, the server as `make run` starts it. An
empty cell: its callers would have waited more than 6 s. A missing row: the forward alone takes more than a second (see
below). loadgen itself took at most {most:.2f} cores. `vit_tiny_patch16_224`, `vit_base_patch16_224` and
`convmixer_768_32` have random weights.

Answers a second:

{throughput}

![answers a second against callers](performance-throughput.svg)

Latency, p50 / p99, ms:

{latency}

![latency against callers](performance-latency.svg)"""


def serving_section(serving):
    rows = [[cell["model"], cell["precision"], number(cell["bare_cpu_ms"]),
             *(f"{number(cell['served'][n]['cpu_ms'])} ({cell['served'][n]['ratio']:.2f})" for n in ("8", "32")),
             number(cell["lone_p50_ms"]), number(cell["lone_added_p50_ms"]), number(cell["refused_p50_ms"])]
            for cell in serving]
    return """The server's CPU-ms an answer through gRPC, and in brackets its ratio to decode and forward called in a loop in
one process: same engine, precision and threads, the loop's best batch size (`serving_bench`). For a lone request: how
long it takes, how much of that is beside its decode and its run, and how long the same message takes if it is refused
at once, which is what gRPC takes. p50, ms.

""" + table(["<model", "<precision", "bare", "8 callers", "32 callers", "lone request", "of which added", "refused"], rows)


def parts_section(parts, resampling, pillow):
    def megapixels(width, height):
        return f"{int(width) * int(height) / 1e6:.1f}"

    names = {name: name.split("/") for name in parts}
    decode = [[kind.upper(), f"{w}x{h}", megapixels(w, h), number(parts[name]["cpu_ms"])]
              for name, (benchmark, *rest) in names.items() if benchmark == "DecodeFile" for kind, w, h in [rest]]
    resample = [[filter, "{}x{} to {}x{}".format(*size), number(ours), f"{number(aten)} ({aten / ours:.2f})",
                 f"{number(theirs)} ({theirs / ours:.2f})"] for filter, size, ours, aten, theirs in resampling]
    input = [[f"{w}x{h}", number(parts[name]["cpu_ms"])]
             for name, (benchmark, *rest) in names.items() if benchmark == "PreprocessPicture" for w, h in [rest]]
    normalise = [[precision, n, number(parts[name]["cpu_ms"] / int(n))]
                 for name, (benchmark, *rest) in names.items() if benchmark == "Normalize" for precision, n in [rest]]
    forward = [(*rest, parts[name]["cpu_ms"]) for name, (benchmark, *rest) in names.items() if benchmark == "Forward"]
    batches = sorted({int(n) for _, _, n, _ in forward})
    each = {(model, precision, int(n)): number(ms / int(n)) for model, precision, n, ms in forward}
    networks = [[model, precision, *(each.get((model, precision, n), "") for n in batches)]
                for model, precision in dict.fromkeys((model, precision) for model, precision, _, _ in forward)]
    acts = {"Admit": "admit", "Ready": "ready to run", "EndAndNext": "a batch ends, the next one", "Life": "all of an item's life"}
    micros = {key: 1e6 / figures["items_per_s"] if figures["items_per_s"] else 1e3 * figures["wall_ms"] for key, figures in parts.items()}
    items = [[acts[name], {"cpu": "CPU", "gpu": "GPU"}[device], waiting, f"{micros[key]:.2f}"]
             for key, (name, *rest) in names.items() if name in acts and rest[1] == "alike" for device, _, waiting in [rest[:3]]]
    executor = [[rest[1], f"{micros[key]:.2f}"]
                for key, (name, *rest) in names.items() if name == "ThroughExecutor"]
    answer = [[{"RankLogits": "softmax, ranking", "BuildResponse": "and the message, serialised"}[benchmark], rest[0],
               f"{parts[name]['cpu_ms'] * 1e3:.2f}"]
              for name, (benchmark, *rest) in names.items() if benchmark in ("RankLogits", "BuildResponse")]
    return f"""Google Benchmarks, CPU time on one thread.

Decoding, of smooth synthetic pictures:

{table(["<format", "<size", "megapixels", "ms"], decode)}

Resizing a whole picture, in brackets the ratio to patchserve. patchserve's result is Pillow's, byte for byte; PyTorch's
antialiased kernels for uint8 are not exact. Pillow is {pillow}, as on PyPI.

{table(["<filter", "<size", "patchserve, ms", "PyTorch, ms", "Pillow, ms"], resample)}

Resizing and cropping to 224x224 (bicubic, only what the crop shows), and normalising on the device, an image:

{table(["<picture", "ms"], input)}

{table(["<normalised to", "batch", "ms an image"], normalise)}

A network's forward on one core, ms an image by batch size:

{table(["<model", "<precision", *map(str, batches)], networks)}

The scheduler, µs, with so many that wait with alike deadlines, in batches of up to 8 on a CPU and 128 on a GPU:

{table(["<what", "<costs of", "waiting", "µs"], items)}

Through the executor, threads' waking included, µs an item, from the first of so many pushes to the last answer of a model that does nothing:

{table(["pushed", "µs an item"], executor)}

The answer, top-5:

{table(["<what", "classes", "µs"], answer)}"""


def peers_section(peers):
    ours = {row["concurrency"]: row for row in peers if row["server"] == "patchserve"}
    rows = [[row["server"], str(row["concurrency"]), number(row["answers_per_s"]), number(row["p50_ms"]),
             number(row["cpu_ms"]), f"{row['answers_per_s'] / ours[row['concurrency']]['answers_per_s']:.2f}",
             f"{row['cpu_ms'] / ours[row['concurrency']]['cpu_ms']:.2f}"] for row in peers]
    return """`vit_tiny_patch16_224` with the same random weights, float32, the same 500x375 JPEG, the same cores, the same Python
client in a closed loop beside the server; servers take turns. CPU is that of the whole process tree. Ratios are to
patchserve. [bench/peers](../bench/peers/README.md) says how each is set up and how fair that is.

""" + table(["<server", "callers", "answers/s", "p50, ms", "CPU-ms an answer", "ratio of answers/s", "ratio of CPU"], rows)


def openvino_section(openvino):
    rows = [[row["model"], row["precision"], f"{number(row['ms'])} ({row['batch']})",
             f"{number(row['openvino_ms'])} ({row['openvino_batch']})", f"{row['ratio']:.2f}"] for row in openvino["rows"]]
    return f"""A forward alone on one thread, CPU-ms an image, in brackets the batch size (of 1 and 4 the better), in rounds that take
turns; the same random weights. OpenVINO is {openvino['version'].split('-')[0]}. By layer: [performance-cpu.md](performance-cpu.md).

""" + table(["<model", "<precision", "patchserve", "OpenVINO", "ratio"], rows)


def write_plots(load, out):
    throughput, latency = {}, {}
    for cell in load:
        points = cell["rows"]
        throughput.setdefault(cell["model"], {})[cell["precision"]] = [(p["callers"], p["answers_per_s"]) for p in points]
        for quantile in ("p50", "p99"):
            latency.setdefault(cell["model"], {})[f"{cell['precision']}, {quantile}"] = [
                (p["callers"], p[f"{quantile}_ms"]) for p in points]

    def panels(by_model):
        return [{"title": model, "series": series} for model, series in by_model.items()]

    plot.lines(out / "performance-throughput.svg", panels(throughput), x_label="callers", y_label="answers/s", x_log=True)
    plot.lines(out / "performance-latency.svg", panels(latency), x_label="callers", y_label="ms", x_log=True, y_log=True)


def write_page(figures, out):
    out.mkdir(parents=True, exist_ok=True)
    write_plots(figures["load"], out)
    sections = {"End to end": load_section(figures["load"]), "What serving adds": serving_section(figures["serving"]),
                "The parts": parts_section(figures["parts"], figures["resampling"], figures["machine"]["pillow"])}
    if figures["peers"]:
        sections["Beside other servers"] = peers_section(figures["peers"])
        sections["Beside OpenVINO"] = openvino_section(figures["openvino"])
    page = ["# Performance", about(figures["machine"], figures["command"])]
    for title, text in sections.items():
        page += [f"## {title}", text]
    (out / "performance.md").write_text("\n\n".join(page) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no_peers", action="store_true")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--from_figures", type=pathlib.Path, help="write the page again, from the build/performance.json of a run")
    args = parser.parse_args()
    figures_file = ROOT / "build" / "performance.json"
    if args.from_figures:
        figures = json.loads(args.from_figures.read_text())
    else:
        figures = measure(args.quick, not args.no_peers)
        figures["command"] = "make performance" if not args.quick else "performance_page.py --quick"
        figures_file.write_text(json.dumps(figures, indent=1) + "\n")
    write_page(figures, args.out or ROOT / ("build/docs" if args.quick else "docs"))


if __name__ == "__main__":
    main()
