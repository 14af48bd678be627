"""Callers that send one photo after another, without retries, and count the codes as they come over the wire.
Our own client library, and so loadgen, takes a CANCELLED that its caller didn't ask for as UNAVAILABLE; most others don't.

usage: raw_load.py ADDRESS PHOTO [--callers=8] --seconds=N [--allow=CODE]...

Prints how many calls had which code. Exit code 1: none was OK, or one had another code than OK and those allowed.
"""

import argparse
import collections
import pathlib
import sys
import threading
import time

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "bench/overload"))
from protos import messages, services  # noqa: E402

REFUSED = "the server is shutting down"
OPTIONS = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1), ("grpc.lb_policy_name", "round_robin"),
           ("grpc.max_reconnect_backoff_ms", 2000)]


class RawLoad:
    """Calls from the beginning of the block on; `codes` and `not_reached` are complete after stop()."""

    def __init__(self, address, photo, callers=8):
        self.codes = collections.Counter()  # {code: how many calls}
        self.not_reached = 0  # of the UNAVAILABLE ones: those that gRPC answered by itself
        self._address, self._request = address, messages.ClassifyRequest(encoded=pathlib.Path(photo).read_bytes())
        self._lock, self._stopping = threading.Lock(), threading.Event()  # the lock guards what is counted
        self._threads = [threading.Thread(target=self._call_on, daemon=True) for _ in range(callers)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def wait_for_answers(self, count):
        while self.codes["OK"] < count:
            time.sleep(0.01)

    def _call_on(self):
        with grpc.insecure_channel(self._address, options=OPTIONS) as channel:
            stub = services.ImageClassificationStub(channel)
            while not self._stopping.is_set():
                code, details = _call(stub, self._request)
                by_grpc = code == "UNAVAILABLE" and details != REFUSED
                with self._lock:
                    self.codes[code] += 1
                    self.not_reached += by_grpc
                if by_grpc:
                    time.sleep(0.05)  # there may be nobody: no busy loop


def _call(stub, request):
    try:
        stub.Classify(request, timeout=10)
        return "OK", ""
    except grpc.RpcError as error:
        return error.code().name, error.details()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("photo")
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--allow", action="append", default=[])
    arguments = parser.parse_args()
    with RawLoad(arguments.address, arguments.photo, arguments.callers) as load:
        time.sleep(arguments.seconds)
    print(dict(load.codes))
    return 0 if load.codes["OK"] and set(load.codes) <= {"OK", *arguments.allow} else 1


if __name__ == "__main__":
    sys.exit(main())
