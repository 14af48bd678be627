"""Callers of an HTTP server, each of which asks again at once: prints how many answers came in the last part of the run.

  python http_load.py PORT FILE CALLERS WARM_UP_SECONDS SECONDS
"""

import pathlib
import selectors
import socket
import sys
import time


class Caller:
    def __init__(self, port, request):
        self._request, self._received = request, b""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(request))
        self.socket.sendall(request)

    def read(self):
        """-> whether an answer is complete; the next request is sent then. Raises RuntimeError for another than 200."""
        more = self.socket.recv(65536)
        self._received += more
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not more or (found and not head.startswith(b"HTTP/1.1 200")):
            raise RuntimeError(f"answered {self._received[:200]}")
        if not found:
            return False
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) < length:
            return False
        self._received = b""
        self.socket.sendall(self._request)
        return True


def answers(port, file, callers, warm_up, seconds):
    request = b"POST /inference HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(file) + file
    selector = selectors.DefaultSelector()
    for caller in [Caller(port, request) for _ in range(callers)]:
        selector.register(caller.socket, selectors.EVENT_READ, caller)
    begin = time.monotonic() + warm_up
    count = 0
    while (now := time.monotonic()) < begin + seconds:
        for key, _ in selector.select(timeout=0.05):
            count += key.data.read() and now >= begin
    return count


if __name__ == "__main__":
    print(answers(int(sys.argv[1]), pathlib.Path(sys.argv[2]).read_bytes(), int(sys.argv[3]), *map(float, sys.argv[4:])))
