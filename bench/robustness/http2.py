"""HTTP/2 frames by hand, as many as a socket takes: for floods, where h2 would be slower than the server."""

import collections
import socket
import struct
import time

import hpack

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CLASSIFY = "/patchserve.v1.ImageClassification/Classify"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
CLASSIFY_STREAM = "/patchserve.v1.ImageClassification/ClassifyStream"
MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer"
ERRORS = {0: "NO_ERROR", 1: "PROTOCOL_ERROR", 2: "INTERNAL_ERROR", 3: "FLOW_CONTROL_ERROR", 6: "FRAME_SIZE_ERROR",
          7: "REFUSED_STREAM", 8: "CANCEL", 9: "COMPRESSION_ERROR", 11: "ENHANCE_YOUR_CALM"}


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def on_stream(frames, stream):
    """The same frames, all of stream 1, on another."""
    out, at = bytearray(frames), 0
    while at < len(out):
        struct.pack_into(">I", out, at + 5, stream)
        at += 9 + int.from_bytes(out[at:at + 3], "big")
    return bytes(out)


def request_headers(method, *more):
    """HPACK without a table, so that every call may repeat them."""
    return b"".join(_literal(name, value) for name, value in (
        (":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "test"), ("te", "trailers"),
        ("content-type", "application/grpc"), *more))


def _literal(name, value):
    """Not to be indexed."""
    return b"\0" + _text(name) + _text(value)


def _text(text):
    data = text.encode()
    assert len(data) < 127
    return bytes([len(data)]) + data


class Connection:
    """One to HOST:PORT, its preface sent. `answers` counts what came: GOAWAYs with their error, statuses of calls, the end."""

    def __init__(self, address, settings=b"", receive_buffer=None, greet=True):
        host, port = address.split(":")
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(10)
        self.socket.connect((host, int(port)))
        self.answers = collections.Counter()
        self.open = True
        self._decoder, self._received = hpack.Decoder(), b""
        self._windows, self._new_window = {0: 65535}, 65535  # what may be sent of DATA, on all streams and on each
        if greet:
            self.send(PREFACE + frame(SETTINGS, payload=settings))

    def send(self, data):
        """-> whether it could be sent: the server may have closed the connection, or have stopped reading for 10 s."""
        try:
            self.socket.sendall(data)
        except TimeoutError:
            self.answers["not read for 10 s"] += 1
            self.open = False
        except OSError:
            self._ended()
        return self.open

    def send_message(self, stream, message, patience=2):
        """As much of it as the server lets through, in DATA frames that don't end the call; until it lets nothing
        through for `patience` seconds. -> bytes sent."""
        view, waited = memoryview(message), time.monotonic()
        while view and self.open:
            room = min(16384, self._windows[0], self._windows.setdefault(stream, self._new_window), len(view))
            if room > 0:
                if not self.send(frame(DATA, 0, stream, bytes(view[:room]))):
                    break
                for window in (0, stream):
                    self._windows[window] -= room
                view, waited = view[room:], time.monotonic()
            elif time.monotonic() > waited + patience or self.answers:
                break
            else:
                self.read(0.01)
        return len(message) - len(view)

    def read(self, seconds=0.0):
        """Counts what has come, and what comes within `seconds` while the connection is open."""
        end = time.monotonic() + seconds
        while self.open:
            self.socket.settimeout(max(end - time.monotonic(), 0.0001))
            try:
                data = self.socket.recv(1 << 20)
            except (TimeoutError, BlockingIOError):
                break
            except OSError:
                data = b""
            if not data:
                self._ended()
            self._received += data
            self._take_frames()
        if self.open:
            self.socket.settimeout(10)
        return self.answers

    def read_until_answered(self, seconds):
        end = time.monotonic() + seconds
        while self.open and not self.answers and time.monotonic() < end:
            self.read(0.05)
        return self.answers or {"no answer": 1}

    def _ended(self):
        if self.open:
            self.answers["connection closed"] += 1
        self.open = False

    def _take_frames(self):
        at, data = 0, self._received
        while len(data) - at >= 9:
            length, kind, flags = int.from_bytes(data[at:at + 3], "big"), data[at + 3], data[at + 4]
            if len(data) - at < 9 + length:
                break
            self._take(kind, flags, int.from_bytes(data[at + 5:at + 9], "big"), data[at + 9:at + 9 + length])
            at += 9 + length
        self._received = data[at:]

    def _take(self, kind, flags, stream, payload):
        if kind == GOAWAY:
            self.answers[f"GOAWAY {_error(payload[4:8])}"] += 1
        elif kind == RST_STREAM:
            self.answers[f"RST_STREAM {_error(payload)}"] += 1
        elif kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                setting, value = struct.unpack_from(">HI", payload, at)
                if setting == 4:
                    self._windows = {s: w + (value - self._new_window if s else 0) for s, w in self._windows.items()}
                    self._new_window = value
            self.send(frame(SETTINGS, ACK))
        elif kind == WINDOW_UPDATE:
            self._windows[stream] = self._windows.get(stream, self._new_window) + int.from_bytes(payload, "big")
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, payload=payload))
        elif kind == HEADERS:
            headers = dict(self._decoder.decode(payload))
            if "grpc-status" in headers:
                self.answers[CODES[int(headers["grpc-status"])]] += 1
            elif headers.get(":status") not in (None, "200"):
                self.answers[f"HTTP {headers[':status']}"] += 1

    def close(self):
        self.socket.close()


CODES = ("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
         "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
         "DATA_LOSS", "UNAUTHENTICATED")


def _error(data):
    code = int.from_bytes(data, "big")
    return ERRORS.get(code, str(code))
