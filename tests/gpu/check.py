#!/usr/bin/env python3
"""What the server does on a GPU, beside timm: answers, speed, memory, failures. check.sh says how to run it.

Each chapter prints its tables as it goes, and --json gets them all; the last one is what was measured beside the goals.
A goal that isn't met fails nothing: wrong answers and failures do, and a chapter that is cut off after twice its
estimate. What no longer fits into --budget is left out and said so; --only picks chapters.
"""

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import time
import traceback

STARTED = time.monotonic()  # before PyTorch is imported
HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parents[1] / "bench"), str(HERE.parents[1] / "bench" / "overload")]

import budget  # noqa: E402
import failures  # noqa: E402
import goals  # noqa: E402
import kernels  # noqa: E402
import mosec_peer  # noqa: E402
import networks  # noqa: E402
import parity  # noqa: E402
import served  # noqa: E402
import speed  # noqa: E402
from server import Server  # noqa: E402

RUN = {"kernels": kernels.run, "parity": parity.run, "failures": failures.run, "speed": speed.run, "served": served.run,
       "mosec": mosec_peer.run, "compile": speed.compiled, "sanitizer": kernels.sanitized}
PEERS = ("mosec", "compile")  # aren't what is checked: where they can't be had, they are left out


class Check:
    """What every chapter gets: where things are, and where results go."""

    def __init__(self, args):
        self.bin, self.photos, self.wheels = (args.bundle / part for part in ("bin", "photos", "wheels"))
        self.work = args.work
        self.device, self.networks = args.device, args.networks.split(",")
        self.budget, self.data, self.failed, self.servers = args.budget, {}, [], []

    def server(self, models, *flags):
        """A server of some of the networks, by all that is there for GPUs."""
        experimental = [] if self.device == "cpu" else ["--cuda_graphs", "--fused_kernels"]
        checkpoints = ",".join(f"{name}={self.work / name}" for name in models)
        self.servers.append(Server(self.bin / "patchserve", f"--models={checkpoints}", f"--device={self.device}",
                                   *experimental, *flags))
        return self.servers[-1]

    def kill_servers(self):
        for server in self.servers:
            if hasattr(server, "pid"):  # it was started
                server.signal(signal.SIGKILL)

    def write(self, file):
        if file:
            file.write_text(json.dumps({**self.data, "failed": self.failed}, indent=1))

    def left(self):
        return self.budget - (time.monotonic() - STARTED)

    def seconds(self, at_most):
        """For a program that would take so long at most: no more than is left."""
        return max(1.0, min(at_most, self.left()))

    def row(self, table, **cells):
        """Prints and keeps a line of a table."""
        self.data.setdefault(table, []).append(cells)
        text = "  ".join(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
                         for name, value in cells.items())
        print(f"{table}: {text}", flush=True)

    def fails(self, what):
        self.failed.append(what)
        print("FAILED", what, flush=True)

    def program(self, name, *arguments):
        """-> its stdout. Raises subprocess.CalledProcessError if it fails."""
        return subprocess.run([str(self.bin / name), *map(str, arguments)], check=True, text=True,
                              timeout=self.seconds(60), stdout=subprocess.PIPE).stdout

    def loadgen(self, server, *arguments):
        """-> its report; it exits with 1 where no answer was OK."""
        done = subprocess.run([str(self.bin / "loadgen"), f"--server={server.address}", "--json=-", *map(str, arguments)],
                              text=True, timeout=self.seconds(60), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return json.loads(done.stdout)


def print_goals(check):
    check.data["goals"] = goals.compare(check.data)
    width = max(len(row["goal"]) for row in check.data["goals"])
    print(f"{'goal':{width}}  {'aim':>16}  {'measured':>10}  met")
    for row in check.data["goals"]:
        measured = "-" if row["measured"] is None else goals.figure(row["measured"])
        print(f"{row['goal']:{width}}  {row['aim']:>16}  {measured:>10}  {row['met']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/tmp/patchserve_gpu"), help="for checkpoints")
    parser.add_argument("--budget", type=float, default=budget.SECONDS, help="seconds in all")
    parser.add_argument("--only", default=",".join(budget.CHAPTERS), help="chapters, by commas")
    parser.add_argument("--networks", default=",".join(networks.NETWORKS))
    parser.add_argument("--device", default="cuda:0", help="cpu: to try this program where there is no GPU")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()

    check = Check(args)
    networks.describe_machine(check)
    networks.make_checkpoints(check)
    for name in args.only.split(","):
        left = check.left()
        if left < budget.CHAPTERS[name]:
            check.row("left out", chapter=name, estimated_seconds=budget.CHAPTERS[name], seconds_left=left)
            continue
        began = time.monotonic()
        try:
            # A CPU takes its time.
            with budget.at_most(left if args.device == "cpu" else budget.allowed(name, left), check.kill_servers):
                RUN[name](check)
        except Exception as error:
            if name in PEERS:
                check.row("left out", chapter=name, reason=str(error))
            else:
                check.fails(f"{name}: {traceback.format_exc()}")
        check.row("chapters", chapter=name, seconds=time.monotonic() - began)
        check.write(args.json)
    try:
        print_goals(check)
    except Exception:
        check.fails(f"the table of goals: {traceback.format_exc()}")
    check.write(args.json)
    print("FAILED: " + "; ".join(check.failed) if check.failed else "all passed")
    return bool(check.failed)


if __name__ == "__main__":
    sys.exit(main())
