#!/usr/bin/env python3
"""deploy/compose.yaml: every service is bounded, listens on this machine only, and finds its files. deploy/envoy.yaml:
a call is tried again within bounds. envoy_test.py runs it."""

import pathlib
import unittest

import yaml

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


class ComposeTest(unittest.TestCase):
    def test_every_service_has_limits_of_memory_and_processes(self):
        for name, service in SERVICES.items():
            self.assertIn("mem_limit", service, name)
            self.assertIn("pids_limit", service, name)

    def test_the_servers_threads_fit_on_a_host_of_many_cores(self):
        cores, threads = 256, lambda cores: 20 + 5 * cores  # measured: 21 on one core, 24 on two
        self.assertGreaterEqual(SERVICES["patchserve"]["pids_limit"], threads(cores))

    def test_ports_are_open_to_this_machine_only(self):
        for service in SERVICES.values():
            for port in service["ports"]:
                self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_what_is_mounted_is_there(self):
        for service in SERVICES.values():
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((DEPLOY / source).exists(), source)
                elif not source.startswith("$"):
                    self.assertIn(source, COMPOSE["volumes"])

    def test_alerts_go_to_the_alertmanager_that_runs(self):
        config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
        target = config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"][0]
        self.assertIn(target.split(":")[0], SERVICES)


class EnvoyTest(unittest.TestCase):
    def setUp(self):
        resources = yaml.safe_load((DEPLOY / "envoy.yaml").read_text())["static_resources"]
        manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        self.route = manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]
        self.cluster = resources["clusters"][0]

    def test_a_call_that_a_stopping_pod_did_not_answer_is_tried_again(self):
        self.assertLessEqual({"unavailable", "cancelled", "reset"}, set(self.route["retry_policy"]["retry_on"].split(",")))

    def test_a_refusal_for_want_of_capacity_is_not_tried_again(self):
        self.assertNotIn("resource-exhausted", self.route["retry_policy"]["retry_on"])

    def test_second_tries_and_waiting_calls_are_bounded(self):
        thresholds = self.cluster["circuit_breakers"]["thresholds"][0]
        self.assertLessEqual(thresholds["retry_budget"]["budget_percent"]["value"], 20)
        self.assertLessEqual({"max_connections", "max_pending_requests", "max_requests"}, set(thresholds))

    def test_a_pod_that_breaks_connections_is_left_out_for_a_while_but_not_all_are(self):
        detection = self.cluster["outlier_detection"]
        self.assertEqual(detection["enforcing_consecutive_local_origin_failure"], 100)
        self.assertLessEqual(detection["max_ejection_percent"], 50)


if __name__ == "__main__":
    unittest.main()
