"""The server under test: pinned to a core of its own, watched from outside."""

import collections
import os
import pathlib
import re
import signal
import urllib.request

from server import Server

SERVER_CORE, CLIENT_CORE = 0, 1


class LiveServer(Server):
    """Killed at the end of the block if it still runs.

    It has one runner and one decoding thread, as a server of one core has.
    """

    def __init__(self, binary, *flags):
        super().__init__(binary, "--runners=1", "--decode_threads=1", *flags)
        self._command = ["taskset", "-c", str(SERVER_CORE), *self._command]

    def __exit__(self, *_):
        self.signal(signal.SIGKILL)
        self.wait()

    def metrics(self):
        return read_metrics(self.metrics_address)

    def rss_mb(self):
        """Now, and the most since the last reset_peak_rss."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return tuple(int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) / 1024 for name in ("VmRSS", "VmHWM"))

    def reset_peak_rss(self):
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu(self):
        """CPU seconds so far: of the whole process, and of the threads that decode and run images.

        The difference is what RPCs cost. The kernel rounds the process's time down to 10 ms.
        """
        return _ticks(pathlib.Path(f"/proc/{self.pid}/stat").read_text()), self.cpu_of("runner", "decode")

    def cpu_of(self, *threads):
        """CPU seconds so far of the threads that are called so, and a number."""
        seconds = 0
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            try:
                if (task / "comm").read_text().startswith(tuple(f"{name}-" for name in threads)):
                    seconds += int((task / "schedstat").read_text().split()[0]) / 1e9
            except (FileNotFoundError, ProcessLookupError):
                pass  # one of gRPC's has ended meanwhile
        return seconds


def _ticks(stat):
    user, system = map(int, stat.rpartition(")")[2].split()[11:13])
    return (user + system) / os.sysconf("SC_CLK_TCK")


def read_metrics(address):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
        return Metrics(answer.read().decode())


class Metrics:
    """What /metrics said: metrics["patchserve_requests_total", "model=vit", "code=OK"] is a sum over all that match."""

    def __init__(self, text):
        self._values = collections.defaultdict(float)
        for name, labels, value in re.findall(r"^(\w+)(?:\{(.*?)\})? (\S+)$", text, re.MULTILINE):
            self._values[name, frozenset(re.findall(r'(\w+)="(.*?)"', labels))] += float(value)

    def __getitem__(self, key):
        name, *labels = [key] if isinstance(key, str) else key
        wanted = {tuple(label.split("=")) for label in labels}
        return sum(value for (n, have), value in self._values.items() if n == name and wanted <= have)

    def by(self, name, label):
        """{a label's value: the sum of what has it}"""
        sums = collections.Counter()
        for (n, have), value in self._values.items():
            if n == name:
                sums[dict(have)[label]] += value
        return dict(sums)

    def __sub__(self, earlier):
        difference = Metrics("")
        for key, value in self._values.items():
            difference._values[key] = value - earlier._values.get(key, 0)
        return difference


# Answered before they had a place in the queue; "expired" may have had one.
REFUSALS = ("queue_full", "bytes", "decoding", "late", "draining")


def refused(metrics):
    shed = metrics.by("patchserve_shed_total", "reason")
    return sum(shed.get(reason, 0) for reason in REFUSALS)


def admitted(metrics):
    """Those that got a place; also those whose deadline had passed when they came, which is the stricter count."""
    return metrics["patchserve_requests_total"] - refused(metrics)
