#!/usr/bin/env python3
"""Every query of the dashboard has data, from a Prometheus that scrapes a server under load, and what a
cluster would add: cluster_metrics.txt.

usage: dashboard_test.py BUILD/bin PROMETHEUS [--draw=FOLDER --seconds=N]

With --draw the load lasts N seconds, and the panels are drawn as FOLDER/dashboard.svg (wants
matplotlib): light load first, then more than the server can do. Those of a cluster are left out.
"""

import argparse
import http.server
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import dashboard as board  # noqa: E402

RATE_INTERVAL = "10s"
PATIENCE = 180  # seconds, on a busy machine

CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}/*.yml]
scrape_configs:
  - job_name: patchserve
    static_configs: [{{targets: ["{target}"], labels: {{namespace: patchserve, pod: patchserve-6d4cf56db6-abcde}}}}]
  - job_name: cluster
    honor_labels: true
    static_configs: [{{targets: ["{cluster}"]}}]
"""


def make_certificates(folder):
    """ca.crt, and tls.crt and tls.key for patchserve.patchserve."""
    for line in ("req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test-ca -keyout ca.key -out ca.crt",
                 "req -newkey rsa:2048 -nodes -subj /CN=patchserve -addext subjectAltName=DNS:patchserve.patchserve"
                 " -keyout tls.key -out tls.csr",
                 "x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 -copy_extensions copy -out tls.crt"):
        subprocess.run(["openssl", *line.split()], cwd=folder, check=True, capture_output=True)


class ClusterMetrics(http.server.BaseHTTPRequestHandler):
    """cluster_metrics.txt; `N a second` is a counter that grows so."""

    def do_GET(self):
        text = (ROOT / "tests/deploy/cluster_metrics.txt").read_text()
        text = re.sub(r"(\S+) a second$", lambda m: str(float(m.group(1)) * time.monotonic()), text, flags=re.M)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def wait_for_text(process, path, pattern):
    """The first group of `pattern` in the file that `process` writes."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        found = re.search(pattern, path.read_text())
        if found:
            return found.group(1)
        time.sleep(0.1)
    sys.exit(f"{process.args[0]} doesn't come up:\n{path.read_text()}")


class Stack:
    """A server and a Prometheus that scrapes it, on free ports of 127.0.0.1, until the end of `with`."""

    def __init__(self, programs, prometheus):
        self.programs, self.program, self.processes = pathlib.Path(programs), prometheus, []

    def start(self, name, *command):
        path = pathlib.Path(self.folder.name) / f"{name}.log"
        with path.open("w") as log:
            self.processes.append(subprocess.Popen([str(c) for c in command], stdout=log, stderr=log))
        return self.processes[-1], path

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        make_certificates(self.folder.name)
        tls = [f"--tls_cert={self.folder.name}/tls.crt", f"--tls_key={self.folder.name}/tls.key"]
        self.cluster = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ClusterMetrics)
        threading.Thread(target=self.cluster.serve_forever, daemon=True).start()
        server, log = self.start("server", self.programs / "patchserve", f"--models={ROOT}/models",
                                 "--address=127.0.0.1:0", "--metrics_address=127.0.0.1:0", "--lame_duck=0s", *tls)
        self.address = "127.0.0.1:" + wait_for_text(server, log, r"gRPC on port (\d+)")
        metrics = "127.0.0.1:" + wait_for_text(server, log, r"metrics on port (\d+)")
        wait_for_text(server, log, r" (serving)\n")
        config = pathlib.Path(self.folder.name) / "prometheus.yml"
        config.write_text(CONFIG.format(rules=ROOT / "deploy/prometheus/rules", target=metrics,
                                        cluster=f"127.0.0.1:{self.cluster.server_port}"))
        prometheus, log = self.start("prometheus", self.program, f"--config.file={config}",
                                     f"--storage.tsdb.path={self.folder.name}/data",
                                     "--web.listen-address=127.0.0.1:0")
        port = wait_for_text(prometheus, log, r'msg="Listening on" address=127.0.0.1:(\d+)')
        self.prometheus = board.Prometheus(f"http://127.0.0.1:{port}")
        return self

    def load(self, seconds, *flags):
        return self.start("loadgen", self.programs / "loadgen", f"--server={self.address}", f"--duration={seconds}s",
                          f"--tls_ca={self.folder.name}/ca.crt", "--tls_server_name=patchserve.patchserve",
                          "--models=vit_cifar10,convmixer_cifar10", *flags, ROOT / "tests/data/images/chelsea.jpg")[0]

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
            process.wait()
        self.cluster.shutdown()
        self.folder.cleanup()


def check(dashboard, stack):
    load = stack.load(PATIENCE, "--concurrency=4")
    until = time.monotonic() + PATIENCE
    while True:
        count, wrong = board.faults(dashboard, stack.prometheus, RATE_INTERVAL)
        if not wrong or time.monotonic() > until or load.poll() is not None:
            break
        time.sleep(1)
    print(f"{count - len(wrong)} of {count} queries have data", *wrong, sep="\n")
    return 1 if wrong else 0


def draw(dashboard, stack, folder, seconds):
    import plot

    start, step = time.time(), f"{max(1, seconds // 40)}s"
    stack.load(seconds // 2, "--rate=10", "--deadline=1s").wait()
    stack.load(seconds - seconds // 2, "--rate=400", "--deadline=200ms").wait()
    pictures = []
    for panel in board.panels(dashboard):
        if panel["type"] != "timeseries":
            continue
        series = {}
        for target in panel["targets"]:
            expression = board.fill_in(target["expr"], RATE_INTERVAL)
            for line in stack.prometheus.query_range(expression, start, time.time(), step):
                name = re.sub(r"\{\{(\w+)\}\}", lambda m, metric=line["metric"]: metric.get(m.group(1), ""), target["legendFormat"])
                series[name] = [(t - start, float(v)) for t, v in line["values"] if v != "NaN"]
        unit = panel["fieldConfig"]["defaults"]["unit"]
        if not any(re.search(r"kube_|container_|DCGM_", target["expr"]) for target in panel["targets"]):
            pictures.append({"title": f"{panel['title']} [{unit}]", "series": {k: v for k, v in series.items() if v}})
    plot.lines(f"{folder}/dashboard.svg", pictures, x_label="seconds", own_legends=True)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs")
    parser.add_argument("prometheus")
    parser.add_argument("--draw")
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    dashboard = board.load(ROOT / "deploy/helm/patchserve/files/dashboard.json")
    with Stack(arguments.programs, arguments.prometheus) as stack:
        if arguments.draw:
            return draw(dashboard, stack, arguments.draw, arguments.seconds)
        return check(dashboard, stack)


if __name__ == "__main__":
    sys.exit(main())
