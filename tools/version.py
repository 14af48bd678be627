#!/usr/bin/env python3
"""Writes the version in CMakeLists.txt into every other place that tells it: the chart, Kubernetes' objects,
the image's names, and a heading of CHANGELOG.md below "Unreleased".

usage: version.py           after an edit of CMakeLists.txt
       version.py --check   names the places that tell another one
"""

import datetime
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
NUMBER = r"\d+\.\d+\.\d+"
# Where a file of the repository tells it: before the number, and after.
PLACES = [
    (r"patchserve:", r"-(?:cpu|cuda)"),  # the image
    (r"newTag: ", r"-(?:cpu|cuda)"),
    (r"such as ", r"-cpu"),
    (r'app\.kubernetes\.io/version: "', r'"'),
    (r'org\.opencontainers\.image\.version="', r'"'),
    (r"(?m:^version: )", r"$"),  # Chart.yaml
    (r'(?m:^appVersion: ")', r'"'),
]
HISTORY = "CHANGELOG.md"


def updated(text, version):
    for before, after in PLACES:
        text = re.sub(f"({before}){NUMBER}(?={after})", rf"\g<1>{version}", text, flags=re.MULTILINE)
    return text


def with_heading(history, version):
    """History with what was unreleased under the version's heading. 0.1.0 was never released."""
    if version == "0.1.0" or re.search(rf"^## {re.escape(version)}\b", history, re.MULTILINE):
        return history
    heading = f"## {version} ({datetime.date.today()})"
    return history.replace("## Unreleased\n", f"## Unreleased\n\n{heading}\n", 1)


def main():
    cmake = (ROOT / "CMakeLists.txt").read_text()
    version = re.search(rf"project\(patchserve VERSION ({NUMBER})", cmake).group(1)
    check = sys.argv[1:] == ["--check"]
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    stale = 0
    for name in filter(None, files):
        path = ROOT / name
        if path.suffix not in {".md", ".yaml", ".yml", ""} or not path.is_file():
            continue
        before = path.read_text()
        after = with_heading(before, version) if name == HISTORY else updated(before, version)
        if before == after:
            continue
        stale += 1
        print(f"{name}: {'not' if check else 'now'} at {version}")
        if not check:
            path.write_text(after)
    if check and stale:
        sys.exit("run tools/version.py")


main()
