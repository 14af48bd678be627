"""Too little memory, and ends that nobody asked for: the server keeps serving, or stops with every call answered."""

import signal
import subprocess
import sys
import threading
import time

from live_server import read_metrics

LEFT_GIB = 2.5  # for the server: its weights, CUDA's own libraries, and little else


def run(check):
    if check.device != "cpu":
        little_memory(check)
        memory_taken_while_it_serves(check)
    stopped_under_load(check)


def served(check, *flags):
    return check.server(check.networks[-1:], *flags)


def load(check, server, seconds=1.5):
    """-> loadgen's results by code, from 256 callers."""
    return check.loadgen(server, "--concurrency=256", f"--duration={seconds}s", "--warm_up=0s", "--deadline=20s",
                         check.photos / "500x375.jpg")["results"]


def hog(gib_left):
    """A process of its own that takes all of the GPU's memory but so much, until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys, time, torch; free, _ = torch.cuda.mem_get_info();"
         f"x = torch.empty(max(0, free - int({gib_left} * 2**30)), dtype=torch.uint8, device='cuda');"
         "print('holds', flush=True); time.sleep(600)"], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


def little_memory(check):
    """Buckets that don't fit are left out; the model serves with those that do."""
    taken = hog(LEFT_GIB)
    try:
        with served(check, "--max_batch=256") as server:
            results = load(check, server)
            warnings = [line for line in server.log.splitlines() if " warning " in line]
        check.row("failures", what=f"{LEFT_GIB} GiB left at the start", results=results, warnings=warnings[:3])
        if set(results) != {"OK"}:
            check.fails(f"with {LEFT_GIB} GiB: {results}")
    finally:
        taken.kill()
        taken.wait()


def memory_taken_while_it_serves(check):
    with served(check) as server:
        taken = hog(0.05)
        try:
            results = load(check, server)
        finally:
            taken.kill()
            taken.wait()
        after = load(check, server)
        check.row("failures", what="the rest taken while it serves", results=results, afterwards=after)
        if set(after) != {"OK"}:
            check.fails(f"after the memory came back: {after}")


def stopped_under_load(check):
    """SIGTERM: the counts of client and server are equal, nothing but OK and UNAVAILABLE. SIGKILL: the next one serves."""
    with served(check) as server:
        results = {}
        caller = threading.Thread(target=lambda: results.update(load(check, server, seconds=2)))
        caller.start()
        time.sleep(1)
        server.signal(signal.SIGTERM)
        code = server.wait()
        caller.join()
    check.row("failures", what="SIGTERM under load", results=results, exit_code=code)
    if code or not set(results) <= {"OK", "UNAVAILABLE"}:
        check.fails(f"SIGTERM under load: exit {code}, {results}")

    with served(check) as server:
        server.signal(signal.SIGKILL)
        server.wait()
    began = time.monotonic()
    with served(check) as server:
        results = load(check, server, seconds=0.5)
        check.row("failures", what="SIGKILL, then a new server", results=results, seconds=time.monotonic() - began,
                  dead_images=read_metrics(server.metrics_address)["patchserve_dead_images_total"])
    if set(results) != {"OK"}:
        check.fails(f"after SIGKILL: {results}")
