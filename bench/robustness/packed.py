"""Messages that aren't what they seem: compressed ones of a gigabyte, damaged ones, ones that never end."""

import collections
import contextlib
import random
import struct
import threading

import grpc
import http2
from attack import PHOTO
from bombs import zeros
from protos import messages

METHODS = (http2.CLASSIFY, http2.CLASSIFY_STREAM, http2.MODEL_INFER)


def run(attacks):
    gigabytes = attacks.size(1, 0.2)
    for encoding, wbits in (("gzip", 31), ("deflate", 15)):
        body = zeros(int(gigabytes * 1e9), wbits)
        for method in METHODS:
            attacks.attack(f"{encoding} bomb: {method.rpartition('/')[2]}",
                           lambda method=method, encoding=encoding, body=body: _bombs(attacks, method, encoding, body, gigabytes))
    attacks.attack("damaged messages", lambda: _damaged(attacks))
    attacks.attack("messages longer than may be", lambda: _too_long(attacks))
    for what, element in (("empty inputs", b"*\0"), ("unknown fields", b"z\0"), ("unknown groups", b"{|")):
        attacks.attack(f"messages of {what}", lambda element=element: _tiny_fields(attacks, element))
    attacks.attack("long names, watched", lambda: _watched(attacks))
    attacks.attack("metadata longer than may be", lambda: _long_metadata(attacks))


def _bombs(attacks, method, encoding, body, gigabytes):
    """Three at once."""
    answers = collections.Counter()

    def call():
        with contextlib.closing(http2.Connection(attacks.server.address)) as connection:
            connection.send(http2.frame(http2.HEADERS, http2.END_HEADERS, 1,
                                        http2.request_headers(method, ("grpc-encoding", encoding))))
            connection.send_message(1, struct.pack(">BI", 1, len(body)) + body)
            connection.send(http2.frame(http2.DATA, http2.END_STREAM, 1))
            connection.read(2)
            answers.update(connection.answers or {"no answer": 1})

    _together([threading.Thread(target=call) for _ in range(3)])
    return f"3 at once of {len(body) / 1e6:.1f} MB, {gigabytes:g} GB unpacked", answers


def _together(threads):
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _damaged(attacks):
    """Valid requests with bytes changed, for every method."""
    random_ = random.Random(2)
    photo = messages.ClassifyRequest(model="vit_cifar10", encoded=PHOTO.read_bytes()[:2000], top_k=3, id="a")
    stream = messages.ClassifyStreamRequest(request=photo)
    requests = {http2.CLASSIFY: photo.SerializeToString(), http2.CLASSIFY_STREAM: stream.SerializeToString(),
                http2.MODEL_INFER: b"\n\x0bvit_cifar10*\x18\n\x05image\x12\x05BYTES\x1a\x01\x01*\x05\n\x03abc",
                "/patchserve.v1.ImageClassification/GetModel": b"\n\x0bvit_cifar10",
                "/inference.GRPCInferenceService/ModelConfig": b"\n\x0bvit_cifar10"}
    answers, count = collections.Counter(), attacks.size(20_000, 1000)
    with grpc.insecure_channel(attacks.server.address) as channel:
        calls = {method: (channel.stream_stream if method == http2.CLASSIFY_STREAM else channel.unary_unary)(method)
                 for method in requests}
        for _ in range(count // len(requests)):
            for method, request in requests.items():
                bad = bytearray(request)
                for _ in range(random_.choice((1, 2, 8))):
                    bad[random_.randrange(min(len(bad), 60))] = random_.randrange(256)
                bad = bytes(bad[:random_.randrange(1, len(bad))] if random_.random() < 0.3 else bad)
                answers[_code(calls[method], method, bad)] += 1
    return f"{count:,} requests of five methods with bytes changed or cut off", answers


def _code(call, method, request):
    try:
        if method == http2.CLASSIFY_STREAM:
            for answer in call(iter((request,)), timeout=30):
                if b"\x1a" not in answer:  # no error in it
                    return "OK"
            return "an error in the stream's answer"
        call(request, timeout=30)
        return "OK"
    except grpc.RpcError as error:
        return error.code().name


def _too_long(attacks):
    """A length of 4 GB, and one just above the limit, and as many bytes of it as the server takes, up to half a gigabyte."""
    answers, got = collections.Counter(), collections.Counter()
    most = bytes(attacks.size(500, 60) << 20)

    def call(method, length):
        with contextlib.closing(http2.Connection(attacks.server.address)) as connection:
            connection.send(http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.request_headers(method)))
            got[method] += connection.send_message(1, struct.pack(">BI", 0, length) + most[:length])
            answers.update(connection.read_until_answered(2))

    for length in (0xFFFFFFFF, 0x7FFFFFFF, 42 << 20):
        _together([threading.Thread(target=call, args=(method, length)) for method in METHODS])
    return f"9 that say 42 MiB to 4 GiB, 3 at once; {got.total() >> 20:,} MiB were taken", answers


def _tiny_fields(attacks, element):
    """Two bytes each, which take some hundred in memory; 3 at once."""
    answers, message = collections.Counter(), element * attacks.size(20_000_000, 2_000_000)
    with grpc.insecure_channel(attacks.server.address) as channel:
        _together([threading.Thread(target=lambda: answers.update([_code(channel.unary_unary(http2.MODEL_INFER), http2.MODEL_INFER, message)]))
                   for _ in range(3)])
    return f"3 at once of {len(message) / 1e6:g} MB", answers


def _watched(attacks):
    """Watch calls that stay open, of names that nobody knows."""
    answers, name = collections.Counter(), "x" * attacks.size(40_000_000, 4_000_000)
    request = messages.GetModelRequest(name=name).SerializeToString()  # as HealthCheckRequest's service
    with grpc.insecure_channel(attacks.server.address) as channel:
        calls = [channel.unary_stream("/grpc.health.v1.Health/Watch")(request, timeout=5) for _ in range(20)]
        for call in calls:
            try:
                next(call)
                answers["an answer"] += 1
            except grpc.RpcError as error:
                answers[error.code().name] += 1
        for call in calls:
            call.cancel()
    return f"20 calls with a name of {len(name) / 1e6:g} MB", answers


def _long_metadata(attacks):
    """Of 0.1 to 10 MB, by CONTINUATION frames of which none is the last, and by one entry of the table again and again."""
    answers = collections.Counter()
    for megabytes in (0.1, 1, 10):
        with contextlib.closing(http2.Connection(attacks.server.address)) as connection:
            connection.send(http2.frame(http2.HEADERS, 0, 1, http2.request_headers(http2.CLASSIFY)))
            more = http2.frame(http2.CONTINUATION, 0, 1, b"\0\x03abc\x7e" + b"x" * 126)
            for _ in range(int(megabytes * 1e6 / len(more) / 100)):
                if not connection.send(more * 100):
                    break
            answers.update(connection.read(1) or {"no answer": 1})
        with contextlib.closing(http2.Connection(attacks.server.address)) as connection:
            entry = b"\x40\x03abc\x7f\xc0\x1e" + b"x" * 4031  # 127 + 64 + 30 * 128
            block = http2.request_headers(http2.CLASSIFY) + entry + b"\xbe" * int(megabytes * 1000)
            connection.send(http2.frame(http2.HEADERS, http2.END_HEADERS, 1, block[:16000]))
            answers.update(connection.read(1) or {"no answer": 1})
    return "6 calls with 0.1 to 40 MB of it", answers
