"""Bytes without a sense, and valid sessions with bytes changed, to every port."""

import collections
import contextlib
import os
import random
import socket
import ssl

import http2
from attack import PHOTO
from connections import connect
from protos import messages
from raw_client import framed


def run(attacks):
    count = attacks.size(5_000, 200)
    ports = {"gRPC's port": attacks.server.address, "the port of /metrics": attacks.server.metrics_address}
    if attacks.ca:
        ports = {"gRPC's port with TLS": attacks.server.address}
    for name, address in ports.items():
        attacks.attack(f"random bytes to {name}", lambda address=address: _random_bytes(address, count))
        attacks.attack(f"changed bytes of a session to {name}",
                       lambda address=address, name=name: _changed(
                           address, count, _http1() if "metrics" in name else _session()))
    if attacks.ca:
        attacks.attack("changed bytes of a TLS greeting", lambda: _changed(attacks.server.address, count, _client_hello()))
        attacks.attack("bytes without a sense after the handshake", lambda: _after_handshake(attacks, count // 5))
    else:
        attacks.attack("a TLS greeting to a plaintext port", lambda: _changed(attacks.server.address, count // 5, _client_hello()))


@contextlib.contextmanager
def _counted_end(answers):
    """Counts how a connection ends, whose answers are read in this context with a timeout of 0.2 s."""
    try:
        yield
        answers["closed"] += 1
    except TimeoutError:
        answers["still open after 0.2 s"] += 1
    except OSError:
        answers["reset"] += 1


def _read_to_end(client):
    while client.recv(1 << 16):
        pass


def _send(address, data, answers):
    with _counted_end(answers), connect(address) as client:
        client.settimeout(0.2)
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        _read_to_end(client)


def _random_bytes(address, count):
    random_, answers = random.Random(3), collections.Counter()
    for _ in range(count):
        _send(address, random_.randbytes(random_.choice((1, 20, 500, 20_000))), answers)
    return f"{count:,} connections with 1 to 20,000 random bytes", answers


def _changed(address, count, session):
    random_, answers = random.Random(4), collections.Counter()
    for _ in range(count):
        bad = bytearray(session)
        for _ in range(random_.choice((1, 3, 10, 40))):
            bad[random_.randrange(len(bad))] = random_.randrange(256)
        _send(address, bytes(bad[:random_.randrange(1, len(bad))] if random_.random() < 0.3 else bad), answers)
    return f"{count:,} connections", answers


def _session():
    """A call of Classify."""
    headers = http2.request_headers(http2.CLASSIFY)
    message = framed(messages.ClassifyRequest(encoded=PHOTO.read_bytes()[:300]))
    return (http2.PREFACE + http2.frame(http2.SETTINGS, payload=b"\0\4\0\0\xff\xff") +
            http2.frame(http2.HEADERS, http2.END_HEADERS, 1, headers) + http2.frame(http2.PING, payload=bytes(8)) +
            http2.frame(http2.WINDOW_UPDATE, payload=b"\0\0\xff\xff") + http2.frame(http2.DATA, http2.END_STREAM, 1, message))


def _http1():
    return b"GET /metrics HTTP/1.1\r\nHost: test\r\nAccept-Encoding: gzip\r\nRange: bytes=0-10\r\nContent-Length: 3\r\n\r\nabc"


def _client_hello():
    """What Python's TLS says first."""
    context, out = ssl.create_default_context(), ssl.MemoryBIO()
    context.set_alpn_protocols(["h2"])
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def _after_handshake(attacks, count):
    random_, answers = random.Random(5), collections.Counter()
    context = ssl.create_default_context(cadata=attacks.ca.decode())
    context.set_alpn_protocols(["h2"])
    for number in range(count):
        with connect(attacks.server.address) as client, _counted_end(answers):
            tls = context.wrap_socket(client, server_hostname="127.0.0.1")
            if number % 2:
                tls.sendall(random_.randbytes(2000))  # within TLS
            else:
                with socket.socket(fileno=os.dup(tls.fileno())) as under_it:
                    under_it.sendall(random_.randbytes(2000))
            tls.settimeout(0.2)
            _read_to_end(tls)
    return f"{count:,} connections", answers
