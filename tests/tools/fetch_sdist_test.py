#!/usr/bin/env python3
"""tools/fetch_sdist.py, beside an index of one package whose build would leave a trace. Wants Debian's pip."""

import hashlib
import http.server
import io
import os
import pathlib
import subprocess
import tarfile
import tempfile
import threading
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/fetch_sdist.py"


def sdist(trace):
    files = {
        "pyproject.toml": '[build-system]\nrequires = ["builds-with"]\nbuild-backend = "setup"\nbackend-path = ["."]\n',
        "setup.py": f"open({str(trace)!r}, 'w')\n",
        "PKG-INFO": "Metadata-Version: 2.1\nName: example\nVersion: 1.2\n",
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"example-1.2/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


class FetchTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.trace = self.folder / "trace"
        self.archive = sdist(self.trace)
        pages = {
            "/simple/example/": b'<a href="/files/example-1.2.tar.gz">a</a> <a href="/files/example-1.3.tar.gz">b</a>'
                                b'<a href="/files/example-1.2-py3-none-any.whl">c</a>',
            "/files/example-1.2.tar.gz": self.archive,
        }
        self.asked = []

        class Index(http.server.BaseHTTPRequestHandler):
            def do_GET(handler):
                self.asked.append(handler.path)
                page = pages.get(handler.path)
                handler.send_response(200 if page else 404)
                handler.send_header("Content-Type", "text/html" if handler.path.endswith("/") else "application/octet-stream")
                handler.end_headers()
                handler.wfile.write(page or b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def fetch(self, digest, version="1.2"):
        pins = self.folder / "pins.txt"
        pins.write_text(f"# What for.\nexample=={version} --hash=sha256:{digest}\n")
        into = self.folder / "into"
        into.mkdir()
        environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy") and not key.startswith("PIP_")}
        environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": f"http://127.0.0.1:{self.server.server_port}/simple"}
        done = subprocess.run([TOOL, pins, into], env=environment, capture_output=True, text=True)
        return done, {file.name: file.read_bytes() for file in into.iterdir()}

    def test_the_archive_comes_and_nothing_of_it_runs(self):
        done, files = self.fetch(hashlib.sha256(self.archive).hexdigest())
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(files, {"example-1.2.tar.gz": self.archive})
        self.assertTrue(done.stdout.endswith("/into/example-1.2.tar.gz\n"), done.stdout)
        self.assertEqual(self.asked, ["/simple/example/", "/files/example-1.2.tar.gz"])
        self.assertFalse(self.trace.exists())

    def test_an_archive_with_another_hash_is_refused(self):
        done, files = self.fetch("0" * 64)
        self.assertEqual((done.returncode, files), (1, {}))
        self.assertIn(f"found: example-1.2.tar.gz with the hash {hashlib.sha256(self.archive).hexdigest()}", done.stderr)

    def test_a_version_that_the_index_has_not_is_said(self):
        done, files = self.fetch("0" * 64, version="1.4")
        self.assertEqual((done.returncode, files), (1, {}))
        self.assertIn("example 1.4", done.stderr)


if __name__ == "__main__":
    unittest.main()
