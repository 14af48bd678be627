"""build/bin/loadgen, on the core that isn't the server's."""

import json
import subprocess


class Loadgen:
    """A load that is under way: Loadgen(server, photo, rate=20, duration="5s").report(), every argument a flag."""

    def __init__(self, binary, server, photo, **flags):
        command = [str(binary), f"--server={server.address}", "--json=-"]
        command += [f"--{name}={str(value).lower() if isinstance(value, bool) else value}"
                    for name, value in flags.items()]
        self._process = subprocess.Popen([*command, str(photo)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         text=True)

    def report(self):
        """Waits for the end -> loadgen's JSON. Raises RuntimeError if it has none."""
        out, err = self._process.communicate()
        if not out:
            raise RuntimeError("loadgen: " + err)
        return json.loads(out)


def milliseconds(seconds):
    return f"{seconds * 1e3:.3f}ms"


def percentile(report, name):
    """Of OK answers, in milliseconds; infinite where there were none."""
    value = report["latency_ms"][name]
    return float("inf") if value is None else value
