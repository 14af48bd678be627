"""A patchserve of one's own for a script: `with Server(binary, "--models=models") as server:`."""

import os
import pathlib
import re
import signal
import subprocess
import threading

BIN = pathlib.Path(__file__).resolve().parents[1] / "build" / "bin"


class Server:
    """Started on free ports of 127.0.0.1, and stopped at the end of the block.

    Inside the block its models are loaded; address is "127.0.0.1:PORT" of gRPC, metrics_address
    that of /metrics, pid the process.
    Raises RuntimeError, with its log, if it ends instead of serving.
    """

    def __init__(self, binary, *flags):
        self._command = [str(binary), "--address=127.0.0.1:0", "--metrics_address=127.0.0.1:0", "--lame_duck=0s",
                         *map(str, flags)]
        self._serving_or_ended = threading.Event()
        self._log = []

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True, errors="replace")
        self.pid = self._process.pid
        # To the end: whoever doesn't read a full pipe stops the writer.
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        self._serving_or_ended.wait()
        if " serving\n" not in self.log:
            raise RuntimeError("patchserve ended:\n" + self.log)
        self.address = self._address_after("gRPC on port ")
        self.metrics_address = self._address_after("metrics on port ")
        return self

    def __exit__(self, *_):
        self.signal(signal.SIGTERM)
        self.wait()

    def _read_log(self):
        for line in self._process.stderr:
            self._log.append(line)
            if line.endswith(" serving\n"):
                self._serving_or_ended.set()
        self._serving_or_ended.set()

    def _address_after(self, text):
        return "127.0.0.1:" + re.search(text + r"(\d+)", self.log)[1]

    @property
    def log(self):
        return "".join(self._log)

    def signal(self, which):
        """Does nothing if it has ended."""
        self._process.send_signal(which)

    def wait(self):
        """-> the exit code, once it has ended and its log is complete."""
        code = self._process.wait()
        self._reader.join()
        self._process.stderr.close()
        return code


def cpu_seconds(pid):
    """User and system time of a process and all its descendants."""
    ticks, parents = {}, {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        process = int(stat.parent.name)
        parents[process] = int(fields[1])
        ticks[process] = sum(map(int, fields[11:15]))  # with that of children that ended
    tree = {pid}
    while more := {child for child, parent in parents.items() if parent in tree} - tree:
        tree |= more
    return sum(ticks[process] for process in tree) / os.sysconf("SC_CLK_TCK")


def thread_cpu_seconds(pid, name):
    """User and system time of a process's threads that are called `name` and a number; to 10 ms a thread."""
    ticks = 0
    for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            comm, _, fields = stat.read_text().partition("(")[2].rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        if comm.startswith(f"{name}-"):
            ticks += sum(map(int, fields.split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")
