"""Too little memory, and ends that nobody asked for: the server keeps serving, or stops with every call answered."""

import contextlib
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
    killed(check)
    stopped_under_load(check)


def load(check, server, seconds=1.5):
    """-> loadgen's results by code, from 256 callers."""
    return check.loadgen(server, "--concurrency=256", f"--duration={seconds}s", "--warm_up=0s", "--deadline=20s",
                         check.photos / "500x375.jpg")["results"]


@contextlib.contextmanager
def hog(gib_left):
    """A process of its own takes all of the GPU's memory but so much, in the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys, time, torch; free, _ = torch.cuda.mem_get_info();"
         f"x = torch.empty(max(0, free - int({gib_left} * 2**30)), dtype=torch.uint8, device='cuda');"
         "print('holds', flush=True); time.sleep(600)"], stdout=subprocess.PIPE, text=True)
    try:
        if (said := process.stdout.readline()) != "holds\n":
            raise RuntimeError(f"the GPU's memory isn't taken: {said!r}")
        yield
    finally:
        process.kill()
        process.communicate()


def little_memory(check):
    """Buckets that don't fit are left out; the largest network serves with those that do."""
    with hog(LEFT_GIB):
        with check.server(check.networks[-1:], "--max_batch=256") as server:
            results = load(check, server)
            warnings = [line for line in server.log.splitlines() if " warning " in line]
        check.row("failures", what=f"{LEFT_GIB} GiB left at the start", results=results, warnings=warnings[:3])
        if set(results) != {"OK"}:
            check.fails(f"with {LEFT_GIB} GiB: {results}")


def memory_taken_while_it_serves(check, server):
    with hog(0.05):
        results = load(check, server)
    after = load(check, server)
    check.row("failures", what="the rest taken while it serves", results=results, afterwards=after)
    if set(after) != {"OK"}:
        check.fails(f"after the memory came back: {after}")


def killed(check):
    with check.server(check.networks[:1]) as server:
        if check.device != "cpu":
            memory_taken_while_it_serves(check, server)
        server.signal(signal.SIGKILL)
        server.wait()


def stopped_under_load(check):
    """The server after the killed one serves. SIGTERM ends it with 0, and nothing but OK and UNAVAILABLE is answered."""
    began = time.monotonic()
    with check.server(check.networks[:1]) as server:
        first = load(check, server, seconds=0.5)
        check.row("failures", what="SIGKILL, then a new server", results=first, seconds=time.monotonic() - began,
                  dead_images=read_metrics(server.metrics_address)["patchserve_dead_images_total"])
        if set(first) != {"OK"}:
            check.fails(f"after SIGKILL: {first}")

        results = {}
        caller = threading.Thread(target=lambda: results.update(load(check, server, seconds=2)))
        caller.start()
        time.sleep(1)
        server.signal(signal.SIGTERM)
        code = server.wait()
        caller.join()
    check.row("failures", what="SIGTERM under load", results=results, exit_code=code)
    if code or not {"OK"} <= set(results) <= {"OK", "UNAVAILABLE"}:
        check.fails(f"SIGTERM under load: exit {code}, {results}")
