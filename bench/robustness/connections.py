"""Crowds of connections, and clients that are slow or stop in the middle."""

import collections
import contextlib
import itertools
import resource
import socket
import struct
import time

import grpc
import http2
from attack import PHOTO
from protos import messages
from raw_client import RawCall, framed


def run(attacks):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    opened = attacks.size(100_000, 5_000)
    attacks.attack("connections opened and closed", lambda: _open_and_close(attacks, opened))
    attacks.attack("connections that are reset", lambda: _open_and_close(attacks, opened // 4, reset=True))
    attacks.attack("connections that say nothing", lambda: _crowd(attacks, b""))
    attacks.attack("connections that stop in the greeting", lambda: _crowd(attacks, http2.PREFACE[:10]))
    attacks.attack("connections that say no more than hello", lambda: _crowd(attacks, http2.PREFACE + http2.frame(http2.SETTINGS)))
    if attacks.ca:
        return
    attacks.attack("half messages", lambda: _halves(attacks))
    attacks.attack("slow writers", lambda: _slow_writers(attacks))
    attacks.attack("slow readers of streams", lambda: _slow_readers(attacks))
    attacks.attack("slow readers of long answers", lambda: _unread_streams(attacks))
    attacks.attack("slow readers of answers", lambda: _unread_answers(attacks))


def connect(address):
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def _open_and_close(attacks, count, reset=False):
    answers = collections.Counter()
    linger = struct.pack("ii", 1, 0)
    for _ in range(count):
        try:
            with connect(attacks.server.address) as client:
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            answers["connected"] += 1
        except OSError as error:
            answers[type(error).__name__] += 1
    return f"{count:,} connections", answers


def _crowd(attacks, greeting):
    """More than the server takes of one address, all at once, for three seconds."""
    count, answers = attacks.size(6_000, 500), collections.Counter()
    with contextlib.ExitStack() as stack:
        crowd = []
        for _ in range(count):
            try:
                crowd.append(stack.enter_context(connect(attacks.server.address)))
                crowd[-1].sendall(greeting)
            except OSError:
                pass  # counted below as closed
        time.sleep(attacks.size(3, 1))
        for client in crowd:
            client.setblocking(False)
            answers["closed by the server" if _is_closed(client) else "open"] += 1
    answers["closed by the server"] += count - len(crowd)
    return f"{count:,} at once", answers


def _unread_streams(attacks):
    """Answers that hold a long id, of clients that never read. gRPC's own limit of a message is 41 MB."""
    clients = attacks.size(50, 10)
    message = messages.ClassifyStreamRequest(request=messages.ClassifyRequest(id="x" * 1_000_000)).SerializeToString()
    with contextlib.ExitStack() as stack:
        calls = []
        for _ in range(clients):
            channel = stack.enter_context(grpc.insecure_channel(attacks.server.address, options=[
                ("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 4096)]))
            calls.append(channel.stream_stream(http2.CLASSIFY_STREAM)(itertools.repeat(message, 100)))
        time.sleep(attacks.size(10, 3))
        for call in calls:
            call.cancel()
    return f"{clients} streams of messages with an id of 1 MB, whose answers they don't read", {"streams": clients}


def _is_closed(client):
    try:
        while data := client.recv(65536):
            pass
        return not data
    except BlockingIOError:
        return False
    except OSError:
        return True


def _halves(attacks):
    """Together more than gRPC may have in its buffers."""
    clients, seconds, answers = attacks.size(100, 10), attacks.size(10, 2), collections.Counter()
    half = struct.pack(">BI", 0, 16 << 20) + bytes(8 << 20)
    with contextlib.ExitStack() as stack:
        connections, taken = [], 0
        for _ in range(clients):
            connections.append(stack.enter_context(contextlib.closing(http2.Connection(attacks.server.address))))
            connections[-1].send(http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.request_headers(http2.CLASSIFY)))
            taken += connections[-1].send_message(1, half, patience=0.2)
        end = time.monotonic() + seconds
        while time.monotonic() < end:  # each gets its turn to answer the server's pings and settings
            for connection in connections:
                connection.read(0.01)
        for connection in connections:
            answers.update(connection.answers or {"held": 1})
    return f"{clients} clients, each with half of a message of 16 MiB; {taken >> 20} MiB were taken, and held for {seconds} s", answers


def _slow_writers(attacks):
    """A valid request, some bytes every tenth of a second; at the end the rest."""
    clients, answers = attacks.size(200, 20), collections.Counter()
    message = framed(messages.ClassifyRequest(encoded=PHOTO.read_bytes()))
    data = http2.PREFACE + http2.frame(http2.SETTINGS) + http2.frame(
        http2.HEADERS, http2.END_HEADERS, 1, http2.request_headers(http2.CLASSIFY))
    data += b"".join(http2.frame(http2.DATA, http2.END_STREAM if at + 16384 >= len(message) else 0, 1, message[at:at + 16384])
                     for at in range(0, len(message), 16384))
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(contextlib.closing(http2.Connection(attacks.server.address, greet=False)))
                       for _ in range(clients)]
        steps = attacks.size(100, 10)
        for step in range(steps):
            for connection in connections:
                connection.send(data[step * 10:step * 10 + 10])
            time.sleep(0.1)
        for connection in connections:
            connection.send(data[steps * 10:])
        for connection in connections:
            answers.update(connection.read_until_answered(10))
    return f"{clients} clients, 10 bytes every 0.1 s, {steps} times, then the rest", answers


def _slow_readers(attacks):
    """ClassifyStreams whose answers may not be sent, full of requests."""
    clients = attacks.size(50, 5)
    request = framed(messages.ClassifyStreamRequest(request=messages.ClassifyRequest(encoded=PHOTO.read_bytes())))
    unsent = 0
    with contextlib.ExitStack() as stack:
        calls = [stack.enter_context(contextlib.closing(RawCall(attacks.server.address, "ClassifyStream", answers_allowed=0)))
                 for _ in range(clients)]
        for call in calls:
            call.send(200 * request)
        for _ in range(5):
            unsent = sum(call.pump(attacks.size(10, 2) / 5 / clients) for call in calls)
    return f"{clients} streams of 200 requests each", {"requests that got through": clients * 200 - unsent // len(request)}


def _unread_answers(attacks):
    """Calls whose answers fit into no socket's buffer, of clients that never read."""
    clients = attacks.size(50, 5)
    window = struct.pack(">HI", 4, 0x7FFFFFFF)
    request = b"\0\0\0\0\0"  # ListModels
    frames = http2.frame(http2.HEADERS, http2.END_HEADERS, 1, http2.request_headers("/inference.GRPCInferenceService/RepositoryIndex"))
    frames += http2.frame(http2.DATA, http2.END_STREAM, 1, request)
    with contextlib.ExitStack() as stack:
        sent = 0
        for _ in range(clients):
            connection = stack.enter_context(contextlib.closing(http2.Connection(attacks.server.address, window, receive_buffer=4096)))
            connection.send(http2.frame(http2.WINDOW_UPDATE, payload=b"\x7f\0\0\0"))
            connection.socket.settimeout(0.5)
            for begin in range(0, attacks.size(20_000, 1_000), 100):
                if not connection.send(b"".join(http2.on_stream(frames, 1 + 2 * (begin + i)) for i in range(100))):
                    break
                sent += 100
    return f"{clients} clients, {sent:,} calls whose answers they don't read", {"sent": sent}
