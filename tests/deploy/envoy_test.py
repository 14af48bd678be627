#!/usr/bin/env python3
"""deploy/envoy.yaml, run: it balances over two servers, and loses nothing when one of them stops, nor,
over TLS, when one is killed. The photo is larger than what Envoy keeps for a second try by default.

usage: envoy_test.py BUILD/bin ENVOY
"""

import json
import pathlib
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import urllib.request
import zlib

from dashboard_test import ROOT, make_certificates, wait_for_text

SECONDS = 15


def with_endpoints(config, endpoints):
    """`config` on any free port, with these (port, health port) of 127.0.0.1 in place of the name."""
    found = re.search(r"( +- endpoint:\n.*port_value: 8001}}\n.*port_value: 8003}\n)", config, re.S).group(1)
    lines = [found.replace("patchserve-headless", "127.0.0.1").replace("8001", port).replace("8003", health)
             for port, health in endpoints]
    config = config.replace(found, "".join(lines)).replace("0.0.0.0, port_value: 8080", "127.0.0.1, port_value: 0")
    return config + "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}\n"


def with_tls(config, authority):
    """`config` with its lines for TLS, which trusts this file."""
    return re.sub(r"^( +)#(?=[a-z]|  )", r"\1", config, flags=re.M).replace("/etc/envoy/ca.crt", str(authority))


def write_noise(path, side=800):
    """A PNG of 2 MB."""
    rows = b"".join(b"\0" + random.Random(y).randbytes(3 * side) for y in range(side))
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks))


def run(programs, envoy, tls, stop):
    """True if every request got OK while one of two servers got the signal `stop`, and both had answered some."""
    processes = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)

        def start(log, *command):
            with (folder / log).open("w") as file:
                processes.append(subprocess.Popen([str(part) for part in command], stdout=file, stderr=file))
            return processes[-1], folder / log

        try:
            write_noise(folder / "noise.png")
            flags = []
            if tls:
                make_certificates(folder)
                flags = [f"--tls_cert={folder}/tls.crt", f"--tls_key={folder}/tls.key"]
            servers, endpoints = [], []
            for log in ("a.log", "b.log"):
                server, path = start(log, programs / "patchserve", f"--models={ROOT}/models/convmixer_cifar10",
                                     "--address=127.0.0.1:0", "--metrics_address=", "--health_address=127.0.0.1:0",
                                     "--lame_duck=3s", "--access_log=1", "--runners=1", *flags)
                wait_for_text(server, path, r" (serving)\n")
                ports = (wait_for_text(server, path, rf"{what} on port (\d+)") for what in ("gRPC", "health"))
                servers.append((server, path))
                endpoints.append(tuple(ports))
            config = folder / "envoy.yaml"
            text = (ROOT / "deploy/envoy.yaml").read_text()
            config.write_text(with_endpoints(with_tls(text, folder / "ca.crt") if tls else text, endpoints))
            admin = folder / "admin"
            admin.touch()
            proxy, log = start("envoy.log", envoy, "-c", config, "--use-dynamic-base-id", "--admin-address-path", admin)
            base = "http://" + wait_for_text(proxy, admin, r"(127\.0\.0\.1:\d+)")
            wait_for_text(proxy, log, r"(all dependencies initialized|starting main dispatch loop)")
            listeners = json.load(urllib.request.urlopen(f"{base}/listeners?format=json"))
            port = listeners["listener_statuses"][0]["local_address"]["socket_address"]["port_value"]
            load, _ = start("loadgen.log", programs / "loadgen", f"--server=127.0.0.1:{port}", "--concurrency=4",
                            f"--duration={SECONDS}s", f"--json={folder}/report.json", folder / "noise.png")
            server, path = servers[0]
            wait_for_text(server, path, r"(?:[\s\S]*?code=\"?OK){5}(.)")
            server.send_signal(stop)
            if server.wait() != (0 if stop == signal.SIGTERM else -stop):
                sys.exit("the server that was stopped didn't end well")
            load.wait()
            report = json.loads((folder / "report.json").read_text())
            results = report["results"]
            answered = [len(re.findall(r"code=\"?OK", log.read_text())) for _, log in servers]
            print(f"{stop.name}{', TLS' if tls else ''}: results {results}; answered by each server: {answered}", report["messages"])
            return set(results) == {"OK"} and min(answered) > 0
        finally:
            for process in processes:
                process.terminate()
                process.wait()


def main():
    programs, envoy = pathlib.Path(sys.argv[1]), sys.argv[2]
    good = [run(programs, envoy, tls=False, stop=signal.SIGTERM), run(programs, envoy, tls=True, stop=signal.SIGKILL)]
    return 0 if all(good) else 1


sys.exit(main())
