#!/usr/bin/env python3
"""Helm's own engine, from its Go SDK in the package helm-python-sdk: no helm program is needed.

usage: chart.py lint CHART
       chart.py render CHART [--values=FILE ...] [--only=TEMPLATE ...]
       chart.py install|upgrade NAME CHART --namespace=NAMESPACE [--values=FILE ...] [--set=A=1,B=2 ...]

render prints the objects of the release patchserve in the namespace patchserve, or those of the
templates that are named, such as deployment.yaml. install and upgrade are the helm program's, on
the cluster that $KUBECONFIG names.
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


def read_values(files, settings=()):
    values = {}
    for path in files:
        with open(path, encoding="utf-8") as file:
            merge(values, yaml.safe_load(file))
    for setting in settings:
        merge(values, helm.parse_set_string(setting))
    return values


def templates(chart, values, name="patchserve", namespace="patchserve"):
    """(template's file name, its text) of those that say something; RuntimeError if the values aren't allowed."""
    with helm.Chart.load(chart) as loaded:
        rendered = loaded.render(values, name=name, namespace=namespace)
    for path, text in sorted(rendered.items()):
        template = path.rsplit("/", 1)[-1]
        if template.endswith(".yaml") and text.strip():
            yield template, text.strip()


def render(chart, values, only):
    for template, text in templates(chart, values):
        if not only or template in only:
            print(text if text.startswith("---") else f"---\n{text}")


def release(action, name, chart, namespace, values):
    with helm.Config(namespace=namespace) as cluster:
        done = getattr(cluster, action)(chart, name, values, namespace=namespace)
    print(f"{action}: release {done['name']}")


def lint(chart):
    """1 if Helm warns or complains; what it merely recommends is printed."""
    report = helm.lint(chart, strict=True)
    for message in report["messages"]:
        print(f"{message['path']}: {message['error']}")
    worst = max((message["severity"] for message in report["messages"]), default=0)
    return 1 if report["errors"] or worst >= WARNING else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    for action in ("lint", "render", "install", "upgrade"):
        options = actions.add_parser(action)
        if action in ("install", "upgrade"):
            options.add_argument("name")
            options.add_argument("--namespace", required=True)
            options.add_argument("--set", action="append", default=[])
        options.add_argument("chart")
        if action != "lint":
            options.add_argument("--values", action="append", default=[])
        if action == "render":
            options.add_argument("--only", action="append", default=[])
    arguments = parser.parse_args()
    if arguments.action == "lint":
        sys.exit(lint(arguments.chart))
    elif arguments.action == "render":
        render(arguments.chart, read_values(arguments.values), arguments.only)
    else:
        release(arguments.action, arguments.name, arguments.chart, arguments.namespace,
                read_values(arguments.values, arguments.set))


if __name__ == "__main__":
    main()
