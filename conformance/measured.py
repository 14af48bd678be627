"""Reads what an earlier run has measured: a JSON object a line."""

import json


def rows(path):
    """The objects in the file, without a last line that a stopped run left half-written."""
    if not path.exists():
        return []
    *lines, _ = path.read_text().split("\n")
    return [json.loads(line) for line in lines]


def rows_to_go_on_from(path):
    """The same, with the file cut to them, so that more can be written behind."""
    found = rows(path)
    if path.exists() and not path.read_text().endswith("\n"):
        path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return found
