#!/usr/bin/env python3
"""The fake hub against the real huggingface_hub, and its cache against ours: what either has
fetched the other finds. Wants the server's program; `make test-hub`.

usage: python_client_test.py BUILD/bin
"""

import hashlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

os.environ |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
for name in ("HF_TOKEN", "HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT"):
    os.environ.pop(name, None)
os.environ["HOME"] = tempfile.mkdtemp()  # no token of the user's

import huggingface_hub
from huggingface_hub import errors
from fake_hub import FakeHub

BIN = pathlib.Path(sys.argv.pop(1)).resolve()
MODEL, FIRST, SECOND = "org/name", "1" * 40, "2" * 40
FILES = ["config.json", "model.safetensors"]


class HubTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.cache = self.folder / "cache"
        self.hub = FakeHub(self.folder / "hub")
        self.addCleanup(self.hub.close)
        self.commit(FIRST, 1)

    def commit(self, commit, seed):
        """A small model that serves, as the newest commit."""
        folder = self.hub.folder / MODEL / commit
        folder.mkdir(parents=True)
        subprocess.run(
            [BIN / "make_random_checkpoint", "vit_small_patch8_32", folder, str(seed)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (folder / "README.md").write_text("# A model")
        ref = self.hub.folder / MODEL / "refs/main"
        ref.parent.mkdir(exist_ok=True)
        ref.write_text(commit)

    def python(self, file, **how):
        how = {"endpoint": self.hub.url, "cache_dir": self.cache, "token": False} | how
        return pathlib.Path(huggingface_hub.hf_hub_download(MODEL, file, **how))

    def serve(self, model=f"hf://{MODEL}", expect=" serving\n", **variables):
        """The log of a server up to `expect`."""
        environment = os.environ | {"HF_ENDPOINT": self.hub.url, "HF_HUB_CACHE": str(self.cache)} | variables
        with subprocess.Popen(
            [BIN / "patchserve", f"--models={model}", "--address=127.0.0.1:0", "--metrics_address=", "--lame_duck=0s"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        ) as server:
            log = ""
            for line in server.stderr:
                log += line
                if expect in log:
                    break
            server.send_signal(signal.SIGTERM)
            server.stderr.read()
        self.assertIn(expect, log)
        return log

    def asked_for(self, part):
        return [entry for entry in self.hub.log if part in entry[1]]

    # The fake, by the real client.

    def test_the_client_gets_the_bytes_and_the_commit(self):
        for file in FILES:
            path = self.python(file)
            self.assertEqual(path.read_bytes(), (self.hub.folder / MODEL / FIRST / file).read_bytes())
            self.assertEqual(path.parent.name, FIRST)
        self.assertEqual((self.cache / "models--org--name/refs/main").read_text(), FIRST)

    def test_the_client_takes_the_whole_snapshot(self):
        path = huggingface_hub.snapshot_download(
            MODEL, endpoint=self.hub.url, cache_dir=self.cache, token=False, allow_patterns=FILES
        )
        self.assertEqual(sorted(os.listdir(path)), FILES)

    def test_the_clients_token_goes_to_the_hub_alone(self):
        (self.hub.folder / MODEL / "private").touch()
        self.python("model.safetensors", token="good")
        self.assertEqual({entry[3] for entry in self.asked_for("/resolve/")}, {"Bearer good"})
        self.assertEqual([entry[3] for entry in self.asked_for("signature")], [""])

    def test_the_client_resumes_a_body_that_is_cut(self):
        data = bytes(25_000_000)  # the client writes down what has come by 10 MiB
        (self.hub.folder / MODEL / FIRST / "model.safetensors").write_bytes(data)
        self.hub.fault("cut", "model.safetensors", count=12_000_000)
        self.assertEqual(self.python("model.safetensors").read_bytes(), data)
        self.assertEqual([entry[2] for entry in self.asked_for("signature")], ["", "bytes=10485760-"])

    def test_the_client_follows_a_renamed_model(self):
        (self.hub.folder / "old/one").mkdir(parents=True)
        (self.hub.folder / "old/one/moved_to").write_text(MODEL)
        path = huggingface_hub.hf_hub_download(
            "old/one", "config.json", endpoint=self.hub.url, cache_dir=self.cache, token=False
        )
        self.assertEqual(pathlib.Path(path).parent.name, FIRST)

    def test_the_client_knows_the_refusals(self):
        with self.assertRaises(errors.RevisionNotFoundError):
            self.python("config.json", revision="v9")
        with self.assertRaises(errors.EntryNotFoundError):
            self.python("nothing.json")
        with self.assertRaises(errors.RepositoryNotFoundError):
            huggingface_hub.hf_hub_download(
                "org/nothing", "config.json", endpoint=self.hub.url, cache_dir=self.cache, token=False
            )
        (self.hub.folder / MODEL / "gated").touch()
        with self.assertRaises(errors.GatedRepoError):
            self.python("config.json")

    def test_the_client_lists_the_files(self):
        api = huggingface_hub.HfApi(endpoint=self.hub.url, token=False)
        info = api.model_info(MODEL)
        self.assertEqual(info.sha, FIRST)
        self.assertEqual({file.rfilename for file in info.siblings}, {*FILES, "README.md"})

    # One cache.

    def test_the_server_finds_what_the_client_has_fetched(self):
        for file in FILES:
            self.python(file)
        self.hub.log.clear()
        log = self.serve(HF_HUB_OFFLINE="1")
        self.assertIn(f"is commit {FIRST}", log)
        self.assertEqual(self.hub.log, [])
        self.serve()
        self.assertEqual(self.asked_for("signature"), [])

    def test_the_client_finds_what_the_server_has_fetched(self):
        self.serve()
        self.hub.log.clear()
        for file in FILES:
            path = self.python(file, local_files_only=True)
            self.assertEqual(path.read_bytes(), (self.hub.folder / MODEL / FIRST / file).read_bytes())
            self.python(file)
        self.assertEqual(self.asked_for("signature"), [])

    def test_both_name_links_and_blobs_alike(self):
        def tree(cache):
            model = cache / "models--org--name"
            return {
                str(path.relative_to(model)): os.readlink(path)
                if path.is_symlink()
                else hashlib.sha256(path.read_bytes()).hexdigest()
                for path in model.rglob("*")
                if path.is_symlink() or path.is_file()
            }

        self.serve()
        ours, self.cache = self.cache, self.folder / "python"
        for file in FILES:
            self.python(file)
        self.assertEqual(tree(ours), tree(self.cache))

    def test_the_client_counts_and_deletes_what_the_server_has_fetched(self):
        self.serve()
        self.commit(SECOND, 2)
        self.serve()
        scan = huggingface_hub.scan_cache_dir(self.cache)
        self.assertEqual(scan.warnings, [])
        [model] = scan.repos
        self.assertEqual({revision.commit_hash for revision in model.revisions}, {FIRST, SECOND})
        scan.delete_revisions(FIRST).execute()
        self.assertIn(f"is commit {SECOND}", self.serve(HF_HUB_OFFLINE="1"))

    def test_the_server_takes_over_from_a_client_of_before_2_that_was_killed(self):
        # Those wrote to DIGEST.incomplete, and resumed.
        data = (self.hub.folder / MODEL / FIRST / "model.safetensors").read_bytes()
        blobs = self.cache / "models--org--name/blobs"
        blobs.mkdir(parents=True)
        (blobs / f"{hashlib.sha256(data).hexdigest()}.incomplete").write_bytes(data[:5000])
        self.serve()
        self.assertEqual([entry[2] for entry in self.asked_for("signature")], ["bytes=5000-"])

    def test_a_server_that_is_killed_leaves_nothing_that_loads_and_the_next_goes_on(self):
        data = (self.hub.folder / MODEL / FIRST / "model.safetensors").read_bytes()
        incomplete = self.cache / f"models--org--name/blobs/{hashlib.sha256(data).hexdigest()}.incomplete"
        self.hub.fault("hold", "model.safetensors", count=5000)
        environment = os.environ | {"HF_ENDPOINT": self.hub.url, "HF_HUB_CACHE": str(self.cache)}
        server = subprocess.Popen(
            [BIN / "patchserve", f"--models=hf://{MODEL}", "--address=127.0.0.1:0", "--metrics_address="],
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not (incomplete.is_file() and incomplete.stat().st_size == 5000):
                self.assertIsNone(server.poll())
        finally:
            server.kill()
            server.wait()
        with self.assertRaises(errors.LocalEntryNotFoundError):
            self.python("model.safetensors", local_files_only=True)
        self.serve(expect="isn't in the cache", HF_HUB_OFFLINE="1")
        self.serve()
        self.assertEqual([entry[2] for entry in self.asked_for("signature")], ["", "bytes=5000-"])

    def test_over_tls_the_hubs_authority_must_be_known(self):
        pem = self.folder / "hub.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", pem, "-out", self.folder / "ca.pem"]
            + ["-subj", "/CN=hub", "-addext", "subjectAltName=IP:127.0.0.1"],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        pem.write_text(pem.read_text() + (self.folder / "ca.pem").read_text())
        hub = FakeHub(self.folder / "hub", certificate=pem)
        self.addCleanup(hub.close)
        self.serve(expect="SSL_CERT_FILE can name a file", HF_ENDPOINT=hub.url)
        self.serve(HF_ENDPOINT=hub.url, SSL_CERT_FILE=str(self.folder / "ca.pem"))
        self.assertEqual(len([entry for entry in hub.log if "signature" in entry[1]]), 1)

    def test_a_proxy_is_used_but_for_the_hosts_that_need_none(self):
        self.serve(HF_ENDPOINT="http://hub.invalid", http_proxy=self.hub.url, no_proxy="127.0.0.1")
        self.assertTrue(self.asked_for("http://hub.invalid/org/name/resolve/main/config.json"))
        self.assertEqual([entry[1][0] for entry in self.asked_for("signature")], ["/"])

    def test_the_servers_token_comes_from_its_file_and_is_not_logged(self):
        (self.hub.folder / MODEL / "private").touch()
        token = self.folder / "token"
        token.write_text("good\n")
        log = self.serve(HF_TOKEN_PATH=str(token))
        self.assertNotRegex(log, re.escape("good"))
        self.assertEqual([entry[3] for entry in self.asked_for("signature")], [""])


if __name__ == "__main__":
    unittest.main()
