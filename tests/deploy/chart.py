#!/usr/bin/env python3
"""Helm's own engine, from its Go SDK in the package helm-python-sdk: no helm program is needed.

usage: chart.py lint CHART
       chart.py render CHART [--values=FILE ...] [--only=TEMPLATE ...]

render prints the objects of the release patchserve in the namespace patchserve, or those of the
templates that are named, such as deployment.yaml.
"""

import argparse
import sys

import helm_python as helm
import yaml

WARNING = 2  # helm's severities: 1 information, 2 warning, 3 error


def merge(into, values):
    """Helm's rule: maps are merged, everything else is replaced."""
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value
    return into


def render(chart, files, only):
    values = {}
    for path in files:
        with open(path, encoding="utf-8") as file:
            merge(values, yaml.safe_load(file))
    with helm.Chart.load(chart) as loaded:
        rendered = loaded.render(values, name="patchserve", namespace="patchserve")
    for path, text in sorted(rendered.items()):
        template = path.rsplit("/", 1)[-1]
        if template.endswith(".yaml") and text.strip() and (not only or template in only):
            print(f"---\n{text.strip()}")


def lint(chart):
    """1 if Helm warns or complains; what it merely recommends is printed."""
    report = helm.lint(chart, strict=True)
    for message in report["messages"]:
        print(f"{message['path']}: {message['error']}")
    worst = max((message["severity"] for message in report["messages"]), default=0)
    return 1 if report["errors"] or worst >= WARNING else 0


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("action", choices=["lint", "render"])
parser.add_argument("chart")
parser.add_argument("--values", action="append", default=[])
parser.add_argument("--only", action="append", default=[])
arguments = parser.parse_args()
if arguments.action == "lint":
    sys.exit(lint(arguments.chart))
else:
    render(arguments.chart, arguments.values, arguments.only)
