#!/usr/bin/env python3
"""patchserve beside Triton and mosec: README.md in this folder says what is compared.

  make build
  bench/python.sh bench/peers/requirements.txt bench/peers/compare.py
"""

import argparse
import concurrent.futures
import contextlib
import itertools
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from peers import BIN, CORES, Mosec, Patchserve, Triton
from server import cpu_seconds

PHOTO = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data" / "images" / "500x375.jpg"
MODEL = "vit_tiny_patch16_224"


def measure(peer, photo, concurrency, seconds, warm_up):
    """A closed loop -> answers a second, median milliseconds, the server's CPU-milliseconds an answer.

    Lasts longer than `seconds` where that is needed for an answer to each caller.
    """
    answers, stop = [], threading.Event()

    def call():
        ask = peer.connect()
        while not stop.is_set():
            start = time.monotonic()
            ask(photo)
            answers.append((time.monotonic(), time.monotonic() - start))

    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        callers = [pool.submit(call) for _ in range(concurrency)]
        time.sleep(warm_up)
        before, begin, cpu = len(answers), time.monotonic(), cpu_seconds(peer.pid)
        time.sleep(seconds)
        while len(answers) < before + concurrency and not any(caller.done() for caller in callers):
            time.sleep(0.01)
        end, cpu = time.monotonic(), cpu_seconds(peer.pid) - cpu
        stop.set()
        for caller in callers:
            caller.result()  # raises what went wrong
    counted = [latency for when, latency in answers if begin <= when < end]
    return {"answers_per_s": len(counted) / (end - begin), "p50_ms": statistics.median(counted) * 1e3,
            "cpu_ms": cpu / len(counted) * 1e3}


def interleaved(peers, photo, concurrencies, rounds, seconds, warm_up):
    """Every round asks every server at every concurrency, one after the other; medians of the rounds."""
    cells = {(peer.name, concurrency): [] for peer in peers for concurrency in concurrencies}
    for _ in range(rounds):
        for concurrency in concurrencies:
            for peer in peers:
                cells[peer.name, concurrency].append(measure(peer, photo, concurrency, seconds, warm_up))
    return [{"server": name, "concurrency": concurrency,
             **{key: statistics.median(cell[key] for cell in cells[name, concurrency]) for key in runs[0]}}
            for (name, concurrency), runs in cells.items()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--warm_up", type=float, default=1)
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()

    photo = PHOTO.read_bytes()
    with contextlib.ExitStack() as stack:
        checkpoint = stack.enter_context(tempfile.TemporaryDirectory())
        subprocess.run([BIN / "make_random_checkpoint", MODEL, checkpoint], check=True)
        peers = [stack.enter_context(Patchserve(checkpoint))]
        for kind, processes in itertools.product((Triton, Mosec), sorted({1, CORES})):
            peers.append(stack.enter_context(kind(checkpoint, processes)))
        expected = peers[0].connect()(photo)
        for peer in peers[1:]:
            if (got := peer.wait_for_answer(photo)) != expected:
                sys.exit(f"{peer.name} says class {got}, patchserve {expected}: not the same work")
        rows = interleaved(peers, photo, args.concurrency, args.rounds, args.seconds, args.warm_up)
    print(f"{MODEL}, float32, {PHOTO.name}: answers/s, p50, server CPU an answer")
    for row in rows:
        print("  {server:14} {concurrency:3} callers: {answers_per_s:6.1f}/s {p50_ms:7.1f} ms {cpu_ms:6.1f} CPU-ms"
              .format(**row))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
