"""An attack on a server that a normal client uses too, and the line of the table that it gives."""

import collections
import contextlib
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

import grpc
from live_server import LiveServer
from protos import messages, services

ROOT = pathlib.Path(__file__).resolve().parents[2]
IMAGES = ROOT / "tests" / "data" / "images"
PHOTO = IMAGES / "chelsea.jpg"
WITHIN_S = 1  # a normal request after the attack
GIVEN_BACK_S = 12  # memory


class NormalClient:
    """Asks for the class of a photo, over a connection of its own."""

    def __init__(self, address, ca=None):
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 100),
                   ("grpc.max_reconnect_backoff_ms", 100), ("grpc.min_reconnect_backoff_ms", 1000)]
        self._channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(ca), options=options) if ca else \
            grpc.insecure_channel(address, options=options)
        self._stub = services.ImageClassificationStub(self._channel)
        self._request = messages.ClassifyRequest(encoded=PHOTO.read_bytes())

    def ask(self):
        """-> seconds until the answer. Raises grpc.RpcError after 30 s, and for any other than OK."""
        start = time.monotonic()
        self._stub.Classify(self._request, timeout=30, wait_for_ready=True)
        return time.monotonic() - start

    def close(self):
        self._channel.close()


class Attacks:
    """The server, kept for all of them, and the table's lines."""

    ca = None  # the certificate that a client of TLS trusts

    def __init__(self, binary, quick, *flags):
        self.quick = quick
        self._binary, self._flags = binary, flags
        self.rows = []

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self.server = self._stack.enter_context(LiveServer(self._binary, f"--models={ROOT / 'models'}",
                                                           *self._flags))
        for _ in range(20):  # warm
            self._ask_anew()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def client(self):
        return NormalClient(self.server.address, self.ca)

    def _ask_anew(self):
        with contextlib.closing(self.client()) as client:
            return client.ask()

    def size(self, full, quick):
        return quick if self.quick else full

    def attack(self, kind, attack):
        """Calls attack(), which -> what was sent, {what came back: how often}; a line for the table."""
        warm_mb, _ = self.server.rss_mb()
        self.server.reset_peak_rss()
        before = self.server.metrics()
        start = time.monotonic()
        with _Meanwhile(self) as meanwhile:
            sent, answers = attack()
        seconds = time.monotonic() - start
        after, problems = None, meanwhile.problems
        try:
            after = self._ask_anew()
        except grpc.RpcError as error:
            problems[f"after it: {error.code().name}"] += 1
        rss_mb, peak_mb = self._settled_rss_mb(warm_mb), self.server.rss_mb()[1]
        counted = (self.server.metrics() - before).by("patchserve_requests_total", "code")
        row = {"kind": kind, "sent": sent, "answers": dict(answers), "seconds": seconds, "meanwhile_s": meanwhile.slowest,
               "after_s": after, "warm_mb": warm_mb, "rss_mb": rss_mb, "peak_mb": peak_mb, "problems": dict(problems),
               "counted": {code: count for code, count in counted.items() if count},
               "good": after is not None and after <= WITHIN_S}
        self.rows.append(row)
        slow = "-" if after is None else f"{after * 1e3:.0f}"
        print(f"{kind:48} {seconds:4.0f} s  {peak_mb - warm_mb:+.0f} MB ({rss_mb - warm_mb:+.0f} after)  meanwhile {meanwhile.slowest * 1e3:.0f} ms, after {slow} ms"
              f"  {'ok' if row['good'] else 'NOT SERVED'}  {dict(problems) or ''}\n    {sent}: {dict(answers)}", flush=True)

    def _settled_rss_mb(self, warm_mb):
        """The server gives back every five seconds what it has freed, if that is a lot."""
        end = time.monotonic() + GIVEN_BACK_S
        while self.server.rss_mb()[0] > warm_mb + 50 and time.monotonic() < end:
            time.sleep(0.5)
        return self.server.rss_mb()[0]

    def end(self):
        """Stops the server as an operator does. -> its exit code."""
        self.server.signal(signal.SIGTERM)
        return self.server.wait()


class _Meanwhile:
    """A request every 50 ms beside the attack."""

    def __init__(self, attacks):
        self._client = attacks.client()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.slowest, self.problems = 0, collections.Counter()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        self._client.close()

    def _ask(self):
        while not self._end.wait(0.05):
            try:
                self.slowest = max(self.slowest, self._client.ask())
            except grpc.RpcError as error:
                self.problems[f"meanwhile: {error.code().name}"] += 1


class TlsAttacks(Attacks):
    """The same for a server with TLS, whose certificate is made here."""

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                            "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key",
                            "-out", folder / "crt"], check=True, capture_output=True)
            self.ca = (folder / "crt").read_bytes()
            self._flags += (f"--tls_cert={folder / 'crt'}", f"--tls_key={folder / 'key'}")
            super().__enter__()
            self._stack.push(stack.pop_all())
        return self
