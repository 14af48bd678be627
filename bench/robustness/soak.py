"""A million small requests: mixed models, swaps, cancels, bad files and deadlines. Is each answered once, and does memory grow?

The clients count what they got, by model and code; the server's counters have to say the same. What a client gives up
(a call that it cancels, or whose deadline passes) may have come to any end, or not have come at all: such calls go to a
model of their own, "given_up", so that those of the others can be compared one by one.
"""

import asyncio
import collections
import contextlib
import random
import signal
import time

import grpc
from attack import IMAGES, ROOT
from bad_images import damaged_files
from live_server import LiveServer
from protos import messages, services

MODELS = ROOT / "tests" / "data" / "models"
STREAMS = ("vit", "convmixer")  # models whose requests come by stream
WINDOW = 64  # unanswered requests of a stream
WARM = 0.1  # the share of the requests after which memory is compared
PHOTOS = ("gray.jpg", "420.jpg", "rgb.png", "palette8.png", "lossy.webp", "bits24.bmp")

repository_messages, repository_services = grpc.protos_and_services("inference/grpc_service.proto")


class Client:
    """What was sent, and what came."""

    def __init__(self, address, requests):
        self.left = requests
        self.sent = collections.Counter()  # by model
        self.codes = collections.Counter()  # (model, code)
        self.twice = 0  # answers of a stream whose id was answered already, or never sent
        self.swaps = 0
        self._channels = [grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
                          for _ in range(len(STREAMS) + 1)]
        self._random = random.Random(6)
        photos = [(IMAGES / name).read_bytes() for name in PHOTOS]
        bad = [file for _, file in damaged_files() if len(file) < 3000]
        self._requests = {model: [messages.ClassifyRequest(encoded=file, model=model)
                                  for file in 9 * photos + self._random.sample(bad, 30)] for model in (*STREAMS, "given_up")}

    def take(self, model):
        """Whether one more request may be sent."""
        self.left -= 1
        if self.left >= 0:
            self.sent[model] += 1
        return self.left >= 0

    async def run(self, progress):
        stop = asyncio.Event()
        tasks = [asyncio.create_task(task) for task in (self._swap(stop), progress(self, stop))]
        await asyncio.gather(*(self._stream(model, channel) for model, channel in zip(STREAMS, self._channels)), self._give_up())
        stop.set()
        await asyncio.gather(*tasks)
        for channel in self._channels:
            await channel.close()

    async def _stream(self, model, channel):
        """Streams of a thousand requests, one after the other; one in a hundred has a deadline that can't be kept."""
        stub, number = services.ImageClassificationStub(channel), 0
        while self.left > 0:
            call, waiting, free = stub.ClassifyStream(), set(), asyncio.Semaphore(WINDOW)

            async def answers(call=call, waiting=waiting, free=free):
                async for answer in call:
                    self._answered(model, answer, waiting)
                    free.release()

            reader = asyncio.create_task(answers())
            for _ in range(1000):
                await free.acquire()
                if not self.take(model):
                    break
                number += 1
                request = messages.ClassifyStreamRequest(request=self._random.choice(self._requests[model]))
                request.request.id = str(number)
                if number % 100 == 0:
                    request.timeout.FromMicroseconds(300)
                waiting.add(request.request.id)
                await call.write(request)
            await call.done_writing()
            await reader
            self.codes[model, "lost"] += len(waiting)

    def _answered(self, model, answer, waiting):
        if answer.id in waiting:
            waiting.remove(answer.id)
        else:
            self.twice += 1
        code = grpc_code(answer.error.code) if answer.HasField("error") else "OK"
        self.codes[model, code] += 1

    async def _give_up(self):
        """Calls one by one: most are cancelled after up to 5 ms, the rest have a deadline of up to 5 ms."""
        stub = services.ImageClassificationStub(self._channels[-1])
        while self.take("given_up"):
            deadline = self._random.random() < 0.3
            call = stub.Classify(self._random.choice(self._requests["given_up"]),
                                 timeout=self._random.uniform(0.0005, 0.005) if deadline else 30)
            if not deadline:
                asyncio.get_running_loop().call_later(self._random.uniform(0, 0.005), call.cancel)
            try:
                await call
                self.codes["given_up", "OK"] += 1
            except grpc.aio.AioRpcError as error:
                self.codes["given_up", error.code().name] += 1
            except asyncio.CancelledError:
                self.codes["given_up", "CANCELLED"] += 1

    async def _swap(self, stop):
        """Reads one of the models again, every two seconds."""
        stub = repository_services.GRPCInferenceServiceStub(self._channels[-1])
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 2)
            await stub.RepositoryModelLoad(repository_messages.RepositoryModelLoadRequest(
                model_name=(*STREAMS, "given_up")[self.swaps % 3]))
            self.swaps += 1


def grpc_code(number):
    return next(code.name for code in grpc.StatusCode if code.value[0] == number)


async def _soak(server, requests, rss, start):
    client = Client(server.address, requests)

    async def progress(client, stop):
        while not stop.is_set():
            await asyncio.sleep(0.1)
            done = requests - max(client.left, 0)
            for share in (WARM, *(i / 10 for i in range(2, 11))):
                if done >= share * requests and share not in rss:
                    rss[share] = server.rss_mb()[0]
                    print(f"  {done:>9,} requests, {time.monotonic() - start:5.0f} s, {rss[share]:.0f} MB, {client.swaps} swaps",
                          flush=True)

    await client.run(progress)
    return client


def run(binary, requests):
    """-> the figures."""
    flags = [f"--models={name}={MODELS / (name if name in STREAMS else 'vit')}" for name in (*STREAMS, "given_up")]
    rss, start = {}, time.monotonic()
    with LiveServer(binary, *flags, "--repository_control", f"--stream_window={WINDOW}") as server:
        client = asyncio.run(_soak(server, requests, rss, start))
        seconds = time.monotonic() - start
        while server.metrics()["patchserve_in_flight"]:  # what was given up and still runs
            time.sleep(0.1)
        metrics, (_, peak_mb) = server.metrics(), server.rss_mb()
        server.signal(signal.SIGTERM)
        exit_code = server.wait()
    different = {}
    for model in STREAMS:
        theirs = _nonzero(metrics, model)
        ours = {code: count for (name, code), count in client.codes.items() if name == model and count}
        if ours != theirs:
            different[model] = {"client": ours, "server": theirs}
    return {"requests": requests, "seconds": seconds, "swaps": client.swaps, "sent": dict(client.sent), "different": different,
            "codes": {model: {code: n for (name, code), n in sorted(client.codes.items()) if name == model} for model in client.sent},
            "given_up_at_server": _nonzero(metrics, "given_up"), "twice": client.twice,
            "lost": sum(n for (_, code), n in client.codes.items() if code == "lost"),
            "rss_mb": {f"{share:.1f}": mb for share, mb in rss.items()}, "peak_mb": peak_mb, "exit_code": exit_code}


def _nonzero(metrics, model):
    codes = {code for code in metrics.by("patchserve_requests_total", "code")}
    counts = {code: int(metrics["patchserve_requests_total", f"model={model}", f"code={code}"]) for code in codes}
    return {code: count for code, count in counts.items() if count}
