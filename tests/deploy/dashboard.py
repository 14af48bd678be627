"""The Grafana dashboard without Grafana: its queries, asked of a Prometheus."""

import json
import math
import re
import urllib.error
import urllib.parse
import urllib.request


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def panels(dashboard):
    """Every panel that isn't a row, those inside of rows too."""
    waiting = list(dashboard["panels"])
    while waiting:
        panel = waiting.pop(0)
        waiting[:0] = panel.get("panels", [])
        if panel["type"] != "row":
            yield panel


def fill_in(expression, rate_interval):
    """`expression` with every variable at "All", as Grafana would send it."""
    expression = expression.replace("$__rate_interval", rate_interval)
    return re.sub(r"\$\{?\w+\}?", ".*", expression)


class Prometheus:
    """`url` is http://HOST:PORT."""

    def __init__(self, url):
        self.url = url

    def _get(self, path, **arguments):
        query = urllib.parse.urlencode(arguments)
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError as error:
            return {"status": "error", "error": str(error)}

    def query(self, expression):
        """The result's list; raises ValueError with Prometheus' message."""
        return self._result(self._get("query", query=expression))["result"]

    def query_range(self, expression, start, end, step):
        return self._result(self._get("query_range", query=expression, start=start, end=end, step=step))["result"]

    def label_values(self, label, selector):
        return self._result(self._get(f"label/{label}/values", **{"match[]": selector}))

    @staticmethod
    def _result(answer):
        if answer["status"] != "success":
            raise ValueError(answer["error"])
        return answer["data"]


def faults(dashboard, prometheus, rate_interval):
    """(how many queries there are, what is wrong with them): a line for each that fails or has no data."""
    count, wrong = 0, []

    def check(name, what, ask):
        nonlocal count
        count += 1
        try:
            if not ask():
                wrong.append(f"{name}: no data: {what}")
        except ValueError as error:
            wrong.append(f"{name}: {error}: {what}")

    def has_numbers(expression):
        return any(not math.isnan(float(series["value"][1])) for series in prometheus.query(expression))

    for panel in panels(dashboard):
        for target in panel["targets"]:
            expression = fill_in(target["expr"], rate_interval)
            check(panel["title"], expression, lambda e=expression: has_numbers(e))
    for annotation in dashboard["annotations"]["list"]:
        expression = fill_in(annotation["expr"], rate_interval)
        check(f"annotation {annotation['name']}", expression, lambda e=expression: has_numbers(e))
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", fill_in(variable["definition"], rate_interval)).groups()
            check(f"variable {variable['name']}", variable["definition"],
                  lambda s=selector, n=label: prometheus.label_values(n, s))
    return count, wrong
