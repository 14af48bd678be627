#!/usr/bin/env python3
"""The server as production meets it: stops under load, a broken checkpoint beside good ones.

usage: server_test.py BUILD/bin
"""

import collections
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from raw_load import ROOT, RawLoad

sys.path.append(str(ROOT / "bench"))
from live_server import Metrics, read_metrics  # noqa: E402
from server import Server  # noqa: E402

PHOTO = ROOT / "tests/data/images/chelsea.jpg"
MODEL = ROOT / "models/convmixer_cifar10"
CALLERS, STOPS = 8, 20


class StopTest(unittest.TestCase):
    def test_every_call_is_answered_and_counted_alike_by_callers_and_server(self):
        answers = collections.Counter()
        for _ in range(STOPS):
            with Server(PROGRAMS / "patchserve", f"--models={MODEL}", "--log_level=debug") as server:
                with RawLoad(server.address, PHOTO, CALLERS) as load:
                    load.wait_for_answers(50)
                    server.signal(signal.SIGTERM)
                    self.assertEqual(server.wait(), 0)
            counted = Metrics(server.log.rpartition("the last figures\n")[2]).by("patchserve_requests_total", "code")
            self.assertLessEqual(set(load.codes), {"OK", "UNAVAILABLE"})
            self.assertEqual({code for code, count in counted.items() if count}, {"OK", "UNAVAILABLE"})
            self.assertEqual(counted["OK"], load.codes["OK"])
            # The end of a connection may overtake one answer of each caller.
            overtaken = counted["UNAVAILABLE"] - (load.codes["UNAVAILABLE"] - load.not_reached)
            self.assertIn(overtaken, range(CALLERS + 1))
            answers += load.codes
        print(f"{STOPS} stops under load: {dict(answers)}")


class SkipBrokenModelsTest(unittest.TestCase):
    def test_one_bad_checkpoint_does_not_keep_the_pod_from_traffic(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(MODEL, pathlib.Path(folder) / "good")
            bad = shutil.copytree(MODEL, pathlib.Path(folder) / "bad")
            (bad / "config.json").write_text("{")
            with Server(PROGRAMS / "patchserve", f"--models={folder}", "--skip_broken_models",
                        "--health_address=127.0.0.1:0") as server:
                health = server.log.rpartition("health on port ")[2].split()[0]
                probe = [PROGRAMS / "patchserve_probe", f"127.0.0.1:{health}"]
                self.assertEqual(subprocess.run(probe, check=False).returncode, 0)
                ready = read_metrics(server.metrics_address).by("patchserve_model_ready", "model")
                self.assertEqual(ready, {"good": 1, "bad": 0})


if __name__ == "__main__":
    PROGRAMS = pathlib.Path(sys.argv.pop(1))
    unittest.main()
