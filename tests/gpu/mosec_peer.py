"""Answers a second of mosec with timm's network, decoding in processes of its own, by callers as served.py has them."""

import itertools
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

from served import make_photos

HERE = pathlib.Path(__file__).resolve().parent
CALLERS, CPUS_CALLERS = (64, 1024), (4,)  # a CPU would work off what 1,024 left behind for a minute
SECONDS, WARM_UP = 1.2, 0.4
CLIENTS = 4  # processes, that share the callers
START_SECONDS = 25
NETWORKS_CORES = 5  # the others decode


def run(check):
    """Raises RuntimeError: there is no wheel for this Python, no pip, or mosec doesn't answer."""
    measure(check, check.networks[0], install(check))


def install(check):
    """-> the folder of its packages."""
    if not check.wheels.is_dir():
        raise RuntimeError("the bundle has no wheels of it")
    packages = check.work / "mosec"
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index",
                           "--upgrade", f"--find-links={check.wheels}", f"--target={packages}", "mosec"],
                          capture_output=True, text=True, timeout=check.seconds(60))
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-500:])
    return packages


def measure(check, model, packages):
    photos = make_photos(check)
    port = free_port()
    decoders = max(1, len(os.sched_getaffinity(0)) - NETWORKS_CORES)
    environment = {**os.environ, "PYTHONPATH": str(packages), "CHECKPOINT": str(check.work / model),
                   "DEVICE": check.device, "DECODERS": str(decoders)}
    log = check.work / "mosec.log"
    sockets = tempfile.mkdtemp(dir=check.work)  # what is killed leaves its sockets behind
    with log.open("w") as output:
        server = subprocess.Popen([sys.executable, HERE / "mosec_server.py", "--address=127.0.0.1", f"--port={port}",
                                   "--timeout=60000", "--capacity=4096", f"--path={sockets}"],
                                  env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        for photo, callers in itertools.product(photos, CPUS_CALLERS if check.device == "cpu" else CALLERS):
            # First of all it starts; then it works off what the last callers left behind.
            wait_for_answer(server, port, photos["224x224"], log)
            check.row("mosec", model=model, photo=photo, callers=callers, decoders=decoders,
                      answers_per_s=rate(port, photos[photo], callers))
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # SIGTERM takes it more than ten seconds
        server.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def load(port, photo, callers, warm_up, seconds):
    return subprocess.Popen([sys.executable, HERE / "http_load.py", *map(str, (port, photo, callers, warm_up, seconds))],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_answer(server, port, photo, log):
    began = time.monotonic()
    while time.monotonic() - began < START_SECONDS and server.poll() is None:
        with load(port, photo, 1, 0, 0.3) as one:
            text, _ = one.communicate()
        if one.returncode == 0 and int(text):
            return
        time.sleep(0.2)
    raise RuntimeError(f"mosec doesn't answer: {log.read_text()[-2000:]}")


def rate(port, photo, callers):
    clients = [load(port, photo, callers // CLIENTS, WARM_UP, SECONDS) for _ in range(CLIENTS)]
    outputs = [client.communicate() for client in clients]
    if any(client.returncode for client in clients):
        raise RuntimeError("a caller of mosec failed: " + "".join(error for _, error in outputs)[-2000:])
    return sum(int(output) for output, _ in outputs) / SECONDS
