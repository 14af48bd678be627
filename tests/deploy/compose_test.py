#!/usr/bin/env python3
"""deploy/compose.yaml: every service is bounded, listens on this machine only, and finds its files."""

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


if __name__ == "__main__":
    unittest.main()
