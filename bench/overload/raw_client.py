"""HTTP/2 by hand: a client that does what gRPC's clients don't."""

import select
import socket
import struct
import time

import h2.config
import h2.connection
import h2.events
import h2.settings

SERVICE = "/patchserve.v1.ImageClassification/"


def framed(message):
    """A protobuf message as gRPC sends it: uncompressed, with its length."""
    serialized = message.SerializeToString()
    return struct.pack(">BI", 0, len(serialized)) + serialized


class RawCall:
    """A connection with one call. `answers_allowed`: the bytes of answers that the server may send before we read."""

    def __init__(self, address, method, answers_allowed=65535):
        host, port = address.split(":")
        self._socket = socket.create_connection((host, int(port)))
        self._http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._http.initiate_connection()
        self._http.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: answers_allowed})
        self._stream = self._http.get_next_available_stream_id()
        self._http.send_headers(self._stream, [
            (":method", "POST"), (":scheme", "http"), (":path", SERVICE + method), (":authority", address),
            ("te", "trailers"), ("content-type", "application/grpc")])
        self._to_send = b""

    def send(self, data):
        """Queues it; pump sends it."""
        self._to_send += data

    def pump(self, seconds):
        """Sends what flow control lets through and answers pings and settings, for so long. -> bytes not yet sent."""
        end = time.monotonic() + seconds
        while True:
            self._send_what_may_be_sent()
            left = end - time.monotonic()
            if left <= 0:
                return len(self._to_send)
            if select.select([self._socket], [], [], left)[0]:
                data = self._socket.recv(65536)
                if not data:
                    raise ConnectionError("the server closed the connection")
                self._http.receive_data(data)  # events are of no interest; windows are never given back

    def _send_what_may_be_sent(self):
        while self._to_send:
            size = min(len(self._to_send), self._http.local_flow_control_window(self._stream),
                       self._http.max_outbound_frame_size)
            if size <= 0:
                break
            self._http.send_data(self._stream, self._to_send[:size])
            self._to_send = self._to_send[size:]
        self._socket.sendall(self._http.data_to_send())

    def close(self):
        self._socket.close()
