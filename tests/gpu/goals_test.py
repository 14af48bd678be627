"""`python3 tests/gpu/goals_test.py`: what the table of goals says of a run's figures."""

import unittest

from goals import compare

CELL = {"model": "vit_base_patch16_224", "photo": "224x224", "answers_per_s": 900.0, "p50_ms": 4.0, "p99_ms": 12.0,
        "decode_ms": 1.0, "run_ms": 2.0, "device_busy": 0.96, "decoding": 1.0}


def met(goal, **data):
    return next(row["met"] for row in compare(data) if goal in row["goal"])


class GoalsTest(unittest.TestCase):
    def test_what_was_left_out_is_not_measured(self):
        self.assertEqual({row["met"] for row in compare({})}, {"not measured"})

    def test_the_engine_needs_97_percent_of_the_prototype(self):
        def rate(engine):
            return [{"model": "convmixer_768_32", "batch": 32, "engine": engine}]

        self.assertEqual(met("convmixer_768_32, 32 images", speed=rate(7573.0)), "yes")
        self.assertEqual(met("convmixer_768_32, 32 images", speed=rate(7572.0)), "no")
        self.assertEqual(met("convmixer_768_32, 128 images", speed=rate(7573.0)), "not measured")

    def test_the_best_of_a_models_cells_counts_beside_its_best_batch(self):
        served = [{**CELL, "callers": 64, "answers_per_s": 100.0}, {**CELL, "callers": 1024}]
        speed = [{"model": CELL["model"], "batch": batch, "engine": rate} for batch, rate in ((1, 10.0), (32, 1000.0))]
        self.assertEqual(met("part of the engine", served=served, speed=speed), "yes")
        speed[1]["engine"] = 1001.0
        self.assertEqual(met("part of the engine", served=served, speed=speed), "no")

    def test_a_lone_request_is_measured_beyond_decoding_and_the_network(self):
        self.assertEqual(met("a lone request", served=[{**CELL, "callers": 1, "answers_per_s": 250.0}]), "yes")
        self.assertEqual(met("a lone request", served=[{**CELL, "callers": 1, "answers_per_s": 249.0}]), "no")

    def test_half_load_is_compared_at_its_percentiles(self):
        self.assertEqual(met("half load", served=[{**CELL, "callers": "half"}]), "yes")
        self.assertEqual(met("half load", served=[{**CELL, "callers": "half", "p99_ms": 12.1}]), "no")

    def test_decoding_may_leave_two_cores(self):
        photo = {**CELL, "photo": "500x375", "callers": 1024}
        machine = [{"cores": 16}]
        self.assertEqual(met("decoding threads", machine=machine, served=[{**photo, "decoding": 14.0}]), "yes")
        self.assertEqual(met("decoding threads", machine=machine, served=[{**photo, "decoding": 13.9}]), "no")

    def test_the_slowest_warm_up_counts(self):
        lines = [{"line": "model a is ready; warmed in 2.1 s"}, {"line": "model b is ready; warmed in 5.2 s"}]
        self.assertEqual(met("warm-up", **{"warm-up": lines}), "no")
        self.assertEqual(met("warm-up", **{"warm-up": lines[:1]}), "yes")


if __name__ == "__main__":
    unittest.main()
