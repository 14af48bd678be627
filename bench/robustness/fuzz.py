"""The fuzzers of `make fuzz`, from the test data and the bad files."""

import re
import subprocess

from attack import ROOT

READS = {"config": "config.json of a checkpoint", "safetensors": "model.safetensors of a checkpoint",
         "hub": "the name of a model of a hub, and an index of shards",
         "header": "an image's header and metadata", "decode": "an image, to a model's input"}


def run(bin_folder, runs):
    """-> {target: figures}. The runs go to each target."""
    done = subprocess.run([ROOT / "tests" / "fuzz" / "run.sh", bin_folder, str(runs), str(runs)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace")
    print(done.stdout[-2000:])
    return parse(done.stdout)


def parse(log):
    """`found` is whether the fuzzer stopped at a crash, a leak, a hang or too much memory."""
    figures = {}
    for name, text in re.findall(r"^fuzz: (\w+), \d+ runs\n(.*?)(?=^fuzz: |\Z)", log, re.MULTILINE | re.DOTALL):
        stats = {key: int(value) for key, value in re.findall(r"^stat::(\w+): *(\d+)$", text, re.MULTILINE)}
        figures[name] = {"runs": stats.get("number_of_executed_units", 0), "peak_mb": stats.get("peak_rss_mb"),
                         "found": "SUMMARY:" in text or "number_of_executed_units" not in stats}
    return figures
