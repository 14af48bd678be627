"""SIGTERM at full load: what became of every request, by the clients' count and by the server's."""

import asyncio
import collections
import random
import re
import signal
import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from live_server import Metrics
from protos import messages, services

ALLOWED = {"OK", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "UNAVAILABLE"}
LOAD = 2  # times capacity
DEADLINE = 2  # seconds: so that much waits when the signal comes


class Client:
    """An open loop without retries, and a Watch: what they saw, and when."""

    def __init__(self, address, photo, rate, seed):
        self._address, self._rate, self._random = address, rate, random.Random(seed)
        self._request = messages.ClassifyRequest(encoded=photo)
        self.codes = collections.Counter()  # of what the server answered
        self.not_reached = collections.Counter()  # details of UNAVAILABLE by gRPC itself
        self.first_unavailable = self.not_serving = None  # by time.monotonic()
        self.other_codes = set()

    async def run(self, ended):
        """Until `ended`, an asyncio.Event, is set, and all are answered."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        channels = [grpc.aio.insecure_channel(self._address, options=options) for _ in range(4)]
        stubs = [services.ImageClassificationStub(channel) for channel in channels]
        watch = asyncio.create_task(self._watch(channels[0]))
        clock, calls = asyncio.get_running_loop().time, []
        due = clock()
        while not ended.is_set():
            await asyncio.sleep(due - clock())
            calls.append(asyncio.create_task(self._call(stubs[len(calls) % len(stubs)])))
            due += self._random.expovariate(self._rate)
        await asyncio.gather(*calls)
        await watch
        for channel in channels:
            await channel.close()

    async def _call(self, stub):
        try:
            await stub.Classify(self._request, timeout=DEADLINE)
            self.codes["OK"] += 1
            return
        except grpc.aio.AioRpcError as error:
            code, details = error.code().name, error.details()
        if code not in ALLOWED:
            self.other_codes.add(f"{code}: {details}")
        if code == "UNAVAILABLE":
            self.first_unavailable = self.first_unavailable or time.monotonic()
        if code == "UNAVAILABLE" and details != "the server is shutting down":
            self.not_reached[re.sub(r"[\d:.]+", "N", details)] += 1
        else:
            self.codes[code] += 1

    async def _watch(self, channel):
        try:
            async for state in health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest()):
                if state.status == health_pb2.HealthCheckResponse.NOT_SERVING:
                    self.not_serving = time.monotonic()
        except grpc.aio.AioRpcError:
            pass  # the server ends it when it stops


async def _stop_at_full_load(bench, server, seed, after, signals=1):
    """-> the client, when the last signal was sent, when the process had ended, its exit code."""
    client, ended = Client(server.address, bench.photo.read_bytes(), LOAD * bench.capacity, seed), asyncio.Event()
    running = asyncio.create_task(client.run(ended))
    await asyncio.sleep(after)
    for _ in range(signals - 1):
        server.signal(signal.SIGTERM)
        await asyncio.sleep(0.1)
    signalled = time.monotonic()
    server.signal(signal.SIGTERM)
    exit_code = await asyncio.to_thread(server.wait)
    gone = time.monotonic()
    ended.set()
    await running
    return client, signalled, gone, exit_code


def _unbalanced(client, server):
    """{code: the clients' count minus the server's}, where they differ.

    When a deadline passes the client doesn't wait for the server's word, who may have said CANCELLED, OK or nothing:
    what clients have too much of DEADLINE_EXCEEDED may be missing elsewhere. Refusals that the end of the connection
    overtakes are answers of gRPC's to the client.
    """
    counted = Metrics(server.log.rpartition("the last figures\n")[2]).by("patchserve_requests_total", "code")
    counted["DEADLINE_EXCEEDED"] = counted.get("DEADLINE_EXCEEDED", 0) + counted.pop("CANCELLED", 0)
    unequal = {code: difference for code in {*counted, *client.codes}
               if (difference := client.codes[code] - counted.get(code, 0))}
    if 0 < -unequal.get("UNAVAILABLE", 0) <= client.not_reached.total():
        del unequal["UNAVAILABLE"]
    return unequal


def run(bench):
    bench.heading(f"SIGTERM at {LOAD:g} times capacity")
    runs = []
    for seed in range(bench.stops):
        lame_duck = seed % 2
        with bench.server(f"--lame_duck={lame_duck}s", "--log_level=debug", "--max_batch=1") as server:
            client, signalled, gone, exit_code = asyncio.run(
                _stop_at_full_load(bench, server, seed, after=random.Random(seed).uniform(2, 3)))
            runs.append({"lame_duck": lame_duck, "codes": dict(client.codes), "not_reached": dict(client.not_reached),
                         "other_codes": sorted(client.other_codes), "unbalanced": _unbalanced(client, server),
                         "not_serving_s": _since(signalled, client.not_serving), "gone_s": gone - signalled,
                         "first_unavailable_s": _since(signalled, client.first_unavailable), "exit_code": exit_code})
    bench.data["stops"] = runs
    _show(bench, runs)
    _drain_timeout(bench)
    _second_signal(bench)


def _since(start, when):
    return None if when is None else when - start


def _show(bench, runs):
    answered = sum((collections.Counter(run["codes"]) for run in runs), collections.Counter())
    bench.row(f"{len(runs)} stops: answers", ", ".join(f"{code} {count}" for code, count in sorted(answered.items())))
    odd = [run["unbalanced"] for run in runs if run["unbalanced"]]
    bench.row("stops where clients' and server's counts differ", f"{len(odd)} {odd or ''}", "0", not odd)
    codes = sorted({code for run in runs for code in run["other_codes"]})
    bench.row("other codes", ", ".join(codes) or "none", "none", not codes)
    exits = sorted({run["exit_code"] for run in runs})
    bench.row("exit codes", str(exits), "[0]", exits == [0])
    never = float("inf")
    watched = [run["not_serving_s"] or never for run in runs]
    bench.row("Watch said NOT_SERVING after at most", f"{max(watched) * 1e3:.0f} ms")
    ducks = [run for run in runs if run["lame_duck"]]
    first = min((run["first_unavailable_s"] or never for run in ducks), default=never)
    in_order = all((run["not_serving_s"] or never) < (run["first_unavailable_s"] or never) for run in ducks)
    bench.row("with --lame_duck=1s, first UNAVAILABLE after at least", f"{first:.2f} s", "1 s, NOT_SERVING before it",
              in_order and first >= 1)
    gone = max(run["gone_s"] - run["lame_duck"] for run in runs)
    bench.row("the process was gone after at most", f"{gone:.2f} s, beside --lame_duck")


def _drain_timeout(bench):
    with bench.server("--drain_timeout=500ms", "--refuse_for=0s", "--log_level=debug", "--max_batch=1") as server:
        client, signalled, gone, exit_code = asyncio.run(_stop_at_full_load(bench, server, 1, after=3))
    bench.row("--drain_timeout=0.5s with 2 s of work waiting: gone after", f"{gone - signalled:.2f} s", "1 s",
              gone - signalled <= 1 and exit_code == 0)
    bench.data["drain_timeout"] = {"gone_s": gone - signalled, "codes": dict(client.codes),
                                   "other": sorted(client.other_codes), "not_reached": dict(client.not_reached)}


def _second_signal(bench):
    with bench.server("--lame_duck=60s") as server:
        _, signalled, gone, exit_code = asyncio.run(_stop_at_full_load(bench, server, 1, after=1, signals=2))
    after = gone - signalled
    bench.row("a second signal: gone after", f"{after * 1e3:.0f} ms, exit code {exit_code}", "100 ms, exit code 1",
              after <= 0.1 and exit_code == 1)
