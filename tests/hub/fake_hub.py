#!/usr/bin/env python3
"""A hub of models on this machine, as far as downloads need one.

usage: fake_hub.py FOLDER
    FOLDER/ORG/NAME/COMMIT/FILE        the files of a commit (40 hexadecimal digits)
    FOLDER/ORG/NAME/refs/REVISION      the commit that a branch or a tag means
    FOLDER/ORG/NAME/{gated,private}    if there: wants "Bearer good", else 403 or 401
    FOLDER/ORG/NAME/moved_to           if there: the ORG/NAME, or http://HOST/ORG/NAME, that requests are redirected to

Prints its URL once it serves, and ends when its standard input does. What it answers is what the
public hub does, as of 2026-11, and what python_client_test.py has the real client agree with:
.safetensors files are large and lie on a storage host of their own, at a signed URL, which refuses
tokens; other files come from this host after a relative redirect.

GET /control/fault?kind=KIND&file=NAME[&times=1][&bytes=0][&retry_after=...] breaks what comes next:
    429, 500 ...   this status in place of the file's head or redirect; retry_after is a number, or a RateLimit
    cut            the body ends after so many bytes, the connection with it
    hold           the same, but the connection stays open, and silent
    wrong          so many bytes, at the start, are others
    whole          a Range isn't heeded
GET /control/log is a list of the requests: [method, path, range, authorization, host]
"""

import functools
import hashlib
import http.server
import json
import pathlib
import re
import ssl
import sys
import threading
import urllib.parse

TOKEN = "Bearer good"


class FakeHub:
    def __init__(self, folder, certificate=None):
        """`certificate`: a PEM file of it and its key, to speak TLS."""
        self.folder = pathlib.Path(folder)
        self.certificate = certificate
        self.lock = threading.Lock()
        self.faults = []
        self.log = []
        self.over = threading.Event()
        self.servers = [self._serve(HubRequest), self._serve(StorageRequest)]
        self.url, self.storage_url = (
            f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}" for server in self.servers
        )

    def _serve(self, handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # clients go away, and don't believe certificates
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        server.hub = self
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def close(self):
        self.over.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def fault(self, kind, file, times=1, count=0, retry_after=None):
        with self.lock:
            self.faults.append({"kind": kind, "file": file, "times": times, "bytes": count, "retry_after": retry_after})

    def take_fault(self, file, kinds):
        """The first fault of these kinds that the file has left."""
        with self.lock:
            for fault in self.faults:
                if fault["file"] == file and fault["times"] > 0 and re.fullmatch(kinds, fault["kind"]):
                    fault["times"] -= 1
                    return fault
        return None

    def commit(self, repository, revision):
        folder = self.folder / repository
        if re.fullmatch("[0-9a-f]{40}", revision) and (folder / revision).is_dir():
            return revision
        ref = folder / "refs" / revision
        return ref.read_text().strip() if ref.is_file() else None

    def by_sha256(self, digest):
        for file in self.folder.glob("*/*/*/*.safetensors"):
            if sha256(file, file.stat().st_mtime_ns) == digest:
                return file
        return None


@functools.lru_cache
def sha256(file, _changed):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def git_hash(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    @property
    def hub(self):
        return self.server.hub

    def note(self):
        with self.hub.lock:
            self.hub.log.append(
                [
                    self.command,
                    self.path,
                    self.headers.get("Range", ""),
                    self.headers.get("Authorization", ""),
                    self.headers.get("Host"),
                ]
            )

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_file(self, name, data, **headers):
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and not self.hub.take_fault(name, "whole"):
            start = int(asked[1])
            if start >= len(data):
                self.answer(416)
                return
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        body = data[start:]
        if self.command == "HEAD":
            self.answer(200, body, **headers)
            return
        fault = self.hub.take_fault(name, "cut|hold|wrong")
        if fault and fault["kind"] == "wrong":
            body = bytes(byte ^ 255 for byte in body[: fault["bytes"]]) + body[fault["bytes"] :]
        self.send_response(206 if asked and start else 200)
        for key, value in {**headers, "Content_Length": len(body)}.items():
            self.send_header(key.replace("_", "-"), str(value))
        self.end_headers()
        if fault and fault["kind"] != "wrong":
            self.wfile.write(body[: fault["bytes"]])
            self.wfile.flush()
            if fault["kind"] == "hold":
                self.hub.over.wait()
            self.close_connection = True
        else:
            self.wfile.write(body)


class HubRequest(Request):
    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path.startswith("/control/"):
            self.control(url)
            return
        self.note()
        for pattern, act in (
            (r"/api/resolve-cache/models/([^/]+/[^/]+)/([0-9a-f]{40})/([^/]+)", self.small_file),
            (r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", self.info),
            (r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", self.tree),
            (r"/([^/]+/[^/]+)/resolve/([^/]+)/([^/]+)", self.resolve),
        ):
            if match := re.fullmatch(pattern, url.path):
                act(*(part and urllib.parse.unquote(part) for part in match.groups()))
                return
        self.answer(404)

    def control(self, url):
        if url.path == "/control/log":
            with self.hub.lock:
                body = json.dumps(self.hub.log).encode()
            self.answer(200, body)
            return
        query = dict(urllib.parse.parse_qsl(url.query))
        self.hub.fault(
            query["kind"],
            query["file"],
            int(query.get("times", 1)),
            int(query.get("bytes", 0)),
            query.get("retry_after"),
        )
        self.answer(200)

    def refuse(self, status, code, message):
        self.answer(status, message.encode(), X_Error_Code=code, X_Error_Message=message)

    def commit_of(self, repository, revision):
        """The commit; None: the answer has been sent."""
        folder = self.hub.folder / repository
        allowed = self.headers.get("Authorization") == TOKEN
        if (folder / "moved_to").is_file():
            new = (folder / "moved_to").read_text().strip()
            self.answer(307, Location=self.path.replace(f"/{repository}", new if "://" in new else f"/{new}", 1))
        elif not folder.is_dir() or ((folder / "private").is_file() and not allowed):
            # As the public hub does: without a token a missing model and a private one look alike.
            if self.headers.get("Authorization"):
                self.refuse(404, "RepoNotFound", "Repository not found")
            else:
                self.refuse(401, "RepoNotFound", "Invalid username or password.")
        elif (folder / "gated").is_file() and not allowed:
            self.refuse(403, "GatedRepo", "Access to this model is restricted.")
        elif (commit := self.hub.commit(repository, revision)) is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        else:
            return commit
        return None

    def info(self, repository, revision):
        commit = self.commit_of(repository, revision or "main")
        if commit is not None:
            files = sorted(path.name for path in (self.hub.folder / repository / commit).iterdir())
            body = {"id": repository, "sha": commit, "siblings": [{"rfilename": file} for file in files]}
            self.answer(200, json.dumps(body).encode(), Content_Type="application/json")

    def tree(self, repository, revision):
        commit = self.commit_of(repository, revision)
        if commit is not None:
            entries = []
            for path in sorted((self.hub.folder / repository / commit).iterdir()):
                data = path.read_bytes()
                entries.append({"type": "file", "path": path.name, "size": len(data), "oid": git_hash(data)})
                if path.suffix == ".safetensors":
                    entries[-1]["lfs"] = {
                        "oid": hashlib.sha256(data).hexdigest(),
                        "size": len(data),
                        "pointerSize": 134,
                    }
            self.answer(200, json.dumps(entries).encode(), Content_Type="application/json")

    def resolve(self, repository, revision, name):
        if fault := self.hub.take_fault(name, r"\d+"):
            after = fault["retry_after"] or ""
            more = {"RateLimit" if "=" in after else "Retry_After": after} if after else {}
            self.answer(int(fault["kind"]), b"an error", **more)
            return
        commit = self.commit_of(repository, revision)
        if commit is None:
            return
        file = self.hub.folder / repository / commit / name
        if not file.is_file():
            self.refuse(404, "EntryNotFound", "Entry not found")
            return
        data = file.read_bytes()
        if not name.endswith(".safetensors"):
            self.answer(307, Location=f"/api/resolve-cache/models/{repository}/{commit}/{name}", X_Repo_Commit=commit)
            return
        digest = sha256(file, file.stat().st_mtime_ns)
        self.answer(
            302,
            Location=f"{self.hub.storage_url}/{digest}?signature=secret",
            X_Repo_Commit=commit,
            X_Linked_Size=len(data),
            X_Linked_Etag=f'"{digest}"',
            ETag=f'"{git_hash(digest.encode())}"',  # of the pointer to it
        )

    def small_file(self, repository, commit, name):
        data = (self.hub.folder / repository / commit / name).read_bytes()
        self.send_file(name, data, ETag=f'"{git_hash(data)}"', X_Repo_Commit=commit)


class StorageRequest(Request):
    def do_GET(self):
        self.note()
        file = self.hub.by_sha256(urllib.parse.urlsplit(self.path).path[1:])
        if file is None or "signature=secret" not in self.path:
            self.answer(403)
        elif self.headers.get("Authorization"):
            self.answer(400, b"Only one auth mechanism allowed")
        else:
            self.send_file(file.name, file.read_bytes())


if __name__ == "__main__":
    hub = FakeHub(sys.argv[1])
    print(hub.url, flush=True)
    sys.stdin.read()
