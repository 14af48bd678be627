#!/usr/bin/env python3
"""deploy/envoy.yaml, run: it balances over two servers, and loses nothing when one of them stops.

usage: envoy_test.py BUILD/bin ENVOY
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.request

from dashboard_test import ROOT, wait_for_text

SECONDS = 15


def with_endpoints(config, endpoints):
    """`config` on any free port, with these (port, health port) of 127.0.0.1 in place of the name."""
    found = re.search(r"( +- endpoint:\n.*port_value: 8001}}\n.*port_value: 8003}\n)", config, re.S).group(1)
    lines = [found.replace("patchserve-headless", "127.0.0.1").replace("8001", port).replace("8003", health)
             for port, health in endpoints]
    config = config.replace(found, "".join(lines)).replace("0.0.0.0, port_value: 8080", "127.0.0.1, port_value: 0")
    return config + "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n"


def main():
    programs, envoy = pathlib.Path(sys.argv[1]), sys.argv[2]
    processes = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)

        def start(log, *command):
            with (folder / log).open("w") as file:
                processes.append(subprocess.Popen([str(part) for part in command], stdout=file, stderr=file))
            return processes[-1], folder / log

        try:
            servers, endpoints = [], []
            for log in ("a.log", "b.log"):
                server, path = start(log, programs / "patchserve", f"--models={ROOT}/models/convmixer_cifar10",
                                     "--address=127.0.0.1:0", "--metrics_address=", "--health_address=127.0.0.1:0",
                                     "--lame_duck=3s", "--access_log=1", "--runners=1")
                wait_for_text(server, path, r" (serving)\n")
                ports = (wait_for_text(server, path, rf"{what} on port (\d+)") for what in ("gRPC", "health"))
                servers.append((server, path))
                endpoints.append(tuple(ports))
            config = folder / "envoy.yaml"
            config.write_text(with_endpoints((ROOT / "deploy/envoy.yaml").read_text(), endpoints))
            admin = folder / "admin"
            admin.touch()
            proxy, log = start("envoy.log", envoy, "-c", config, "--use-dynamic-base-id", "--admin-address-path", admin)
            base = "http://" + wait_for_text(proxy, admin, r"(127\.0\.0\.1:\d+)")
            wait_for_text(proxy, log, r"(all dependencies initialized|starting main dispatch loop)")
            listeners = json.load(urllib.request.urlopen(f"{base}/listeners?format=json"))
            port = listeners["listener_statuses"][0]["local_address"]["socket_address"]["port_value"]
            load, _ = start("loadgen.log", programs / "loadgen", f"--server=127.0.0.1:{port}", "--concurrency=4",
                            f"--duration={SECONDS}s", f"--json={folder}/report.json", ROOT / "tests/data/images/chelsea.jpg")
            server, path = servers[0]
            wait_for_text(server, path, r"(?:[\s\S]*?code=\"?OK){5}(.)")
            server.terminate()
            if server.wait() != 0:
                sys.exit("the server that was stopped didn't end well")
            load.wait()
            results = json.loads((folder / "report.json").read_text())["results"]
            answered = [len(re.findall(r"code=\"?OK", log.read_text())) for _, log in servers]
            print(f"results {results}; answered by each server: {answered}")
            return 0 if set(results) == {"OK"} and min(answered) > 0 else 1
        finally:
            for process in processes:
                process.terminate()
                process.wait()


sys.exit(main())
