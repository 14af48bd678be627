"""What a run of check.py measured beside what is aimed at on an H100: docs/gpu.md says where the prototype's figures come from."""

import re

# Images a second of the prototype, by images in a batch.
PROTOTYPE = {
    "vit_tiny_patch16_224": {32: 29992, 128: 47389, 256: 50051},
    "vit_base_patch16_224": {32: 10247, 128: 11879, 256: 12238},
    "convmixer_768_32": {32: 7807, 128: 8539, 256: 8755},
    "convmixer_1024_20_ks9_p14": {32: 23733, 128: 24861, 256: 25541},
    "convmixer_1536_20": {32: 4067, 128: 4143, 256: 4188},
}
OF_THE_PROTOTYPE = 0.97
VIT_BASE_AT_128 = 13500
CONVMIXER_TIMES_TIMM = 5
OF_THE_ENGINE = 0.9
SPARE_CORES = 2
BUSY = 0.97
OVERHEAD_MS = 1
P99_TO_P50 = 3
WARM_UP_SECONDS = 5


def compare(data):
    """data: check.py's tables -> a row a goal; "met" is yes, no, or "not measured"."""
    return [{"goal": goal, "aim": f"{'at most' if most else 'at least'} {figure(aim)}", "measured": measured,
             "met": "not measured" if measured is None else "yes" if (measured <= aim if most else measured >= aim) else "no"}
            for goal, aim, measured, most in (*_engine(data), *_served(data), *_warm_up(data), *_checks(data))]


def figure(number):
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def _find(data, table, **wanted):
    """The first row of the table with all these cells; {} where there is none."""
    return next((row for row in data.get(table, []) if wanted.items() <= row.items()), {})


def _engine(data):
    for model, rates in PROTOTYPE.items():
        for batch, rate in rates.items():
            yield (f"engine, {model}, {batch} images: images/s", OF_THE_PROTOTYPE * rate,
                   _find(data, "speed", model=model, batch=batch).get("engine"), False)
    yield ("engine, vit_base_patch16_224, 128 images: images/s", VIT_BASE_AT_128,
           _find(data, "speed", model="vit_base_patch16_224", batch=128).get("engine"), False)
    for model in PROTOTYPE:
        if model.startswith("convmixer"):
            yield (f"engine, {model}, 128 images: times timm eager in its better layout", CONVMIXER_TIMES_TIMM,
                   _find(data, "speed at 128", model=model).get("ratio_to_best"), False)


def _ratio(part, whole):
    """None where a figure is missing or there is nothing to divide by."""
    return part / whole if part is not None and whole else None


def _served(data):
    cells = data.get("served", [])
    models = list(dict.fromkeys(row["model"] for row in cells if "model" in row)) or list(PROTOTYPE)[:3]
    for model in models:
        def cell(callers, photo="224x224", model=model):
            return _find(data, "served", model=model, photo=photo, callers=callers)

        best = _largest(cells, "answers_per_s", model=model, photo="224x224")
        yield (f"served, {model}, 224x224: part of the engine's images/s", OF_THE_ENGINE,
               _ratio(best, _largest(data.get("speed", []), "engine", model=model)), False)
        yield (f"served, {model}, 224x224, 1024 callers: part of the time that the GPU is busy (NVML)", BUSY,
               cell(1024).get("gpu_busy"), False)
        yield f"served, {model}, a lone request: ms beyond decoding and the network", OVERHEAD_MS, _overhead_ms(cell(1)), True
        half = cell("half")
        yield f"served, {model}, half load: p99 by p50", P99_TO_P50, _ratio(half.get("p99_ms"), half.get("p50_ms")), True
    yield (f"served, {models[0]}, 500x375, 1024 callers: cores' worth of decoding threads' CPU time",
           _find(data, "machine").get("cores", 0) - SPARE_CORES,
           _find(data, "served", model=models[0], photo="500x375", callers=1024).get("decoding_cores"), False)


def _largest(rows, figure_of, **wanted):
    return max((row[figure_of] for row in rows if wanted.items() <= row.items() and row.get(figure_of) is not None),
               default=None)


def _overhead_ms(lone):
    """Of a caller that asks again at once: the mean of its times, as the stages' are means. None: no answers."""
    if not lone.get("answers_per_s") or None in (lone.get("decode_ms"), lone.get("run_ms")):
        return None
    return 1e3 / lone["answers_per_s"] - lone["decode_ms"] - lone["run_ms"]


def _warm_up(data):
    seconds = [float(took) for row in data.get("warm-up", []) for took in re.findall(r"warmed in ([\d.]+) s", row["line"])]
    yield "warm-up of a model, the longest: seconds", WARM_UP_SECONDS, max(seconds, default=None), True


def _checks(data):
    wrong = [row["wrong"] for row in data.get("kernels", []) if "wrong" in row]
    yield "kernels: results that are wrong", 0, sum(wrong) if wrong else None, True
