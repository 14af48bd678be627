"""Clients that misbehave, each beside the same normal load: what do the others feel?"""

import asyncio
import contextlib
import random

import grpc
from loadgen import percentile
from protos import messages, services
from raw_client import RawCall, framed

NORMAL = 0.5  # times capacity
HALF_SENT = 100  # clients of the last scenario


def run(bench):
    bench.heading(f"Beside a load of {NORMAL:g} times capacity")
    normal = _beside(bench, "nothing", _nothing)
    for name, nuisance in (("a storm of cancelled requests", _cancel_storm),
                           ("a stream whose client doesn't read", _slow_reader),
                           ("a client that stops in mid-message", _half_message),
                           (f"{HALF_SENT} that stop in mid-message", _half_messages)):
        _beside(bench, name, nuisance, normal)
    _beside(bench, "the load itself over 1000 connections", _nothing, normal, connections=1000)


def _beside(bench, name, nuisance, normal=None, connections=4):
    photo = bench.photo.read_bytes()
    with bench.server() as server:
        bench.load(server, concurrency=4, seconds=1, deadline=60).report()
        rss, _ = server.rss_mb()
        server.reset_peak_rss()
        before = server.metrics()
        load = bench.load(server, rate=NORMAL * bench.capacity, seed=5, connections=connections)
        note = asyncio.run(nuisance(server.address, photo, bench.deadline, bench.seconds + 1))
        report = load.report()
        did = server.metrics() - before
        _, peak = server.rss_mb()
    dead = did["patchserve_dead_images_total"]
    goodput, p99 = report["goodput_per_s"], percentile(report, "p99")
    measured = f"{goodput:.1f}/s in time, p99 {p99:.0f} ms, +{peak - rss:.0f} MB"
    bench.data.setdefault("nuisances", {})[name] = {"report": report, "rss_mb": rss, "peak_mb": peak, "note": note,
                                                    "codes": did.by("patchserve_requests_total", "code"), "dead": dead}
    if normal is None:
        bench.row(name, measured)
    else:
        bench.row(name, measured + (f"; {note}" if note else "") + (f"; {dead:.0f} ran for nobody" if dead else ""),
                  "95 % of the goodput", goodput >= 0.95 * normal and dead == 0)
    return goodput


async def _nothing(_address, _photo, _deadline, seconds):
    await asyncio.sleep(seconds)
    return ""


async def _cancel_storm(address, photo, deadline, seconds, rate=100):
    """Requests that are given up within 20 ms, before most could run."""
    random_ = random.Random(1)
    request = messages.ClassifyRequest(encoded=photo)
    cancelled = 0
    async with grpc.aio.insecure_channel(address) as channel:
        stub = services.ImageClassificationStub(channel)
        clock = asyncio.get_running_loop().time
        begin = due = clock()
        while due < begin + seconds:
            await asyncio.sleep(due - clock())
            call = stub.Classify(request, timeout=deadline)
            asyncio.get_running_loop().call_later(random_.uniform(0.002, 0.02), call.cancel)
            cancelled += 1
            due += random_.expovariate(rate)
    return f"{cancelled / seconds:.0f}/s cancelled"


async def _slow_reader(address, photo, deadline, seconds):
    """As many requests on one ClassifyStream as flow control takes, and no byte of an answer is read."""
    with contextlib.closing(RawCall(address, "ClassifyStream", answers_allowed=0)) as call:
        request = messages.ClassifyStreamRequest(request=messages.ClassifyRequest(encoded=photo))
        call.send(1000 * framed(request))
        unsent = await asyncio.to_thread(call.pump, seconds)
        return f"{1000 - unsent / len(framed(request)):.0f} requests got through"


async def _half_message(address, photo, deadline, seconds):
    await asyncio.to_thread(_hold_halves, address, 1, photo, seconds)
    return ""


async def _half_messages(address, photo, deadline, seconds):
    """Halves of a megabyte."""
    await asyncio.to_thread(_hold_halves, address, HALF_SENT, bytes(1 << 20), seconds)
    return "half a MiB each"


def _hold_halves(address, clients, image, seconds):
    whole = framed(messages.ClassifyRequest(encoded=image))
    with contextlib.ExitStack() as stack:
        calls = [stack.enter_context(contextlib.closing(RawCall(address, "Classify"))) for _ in range(clients)]
        for call in calls:
            call.send(whole[:len(whole) // 2])
        for _ in range(10):  # each gets its turn to answer the server's pings and settings
            for call in calls:
                call.pump(seconds / 10 / clients)
