#!/usr/bin/env python3
"""What the chart makes of its values. Run by the Python that has Helm's engine: see install_tools.sh."""

import json
import pathlib
import re
import shutil
import tempfile
import unittest

import helm_python as helm
import yaml

import dashboard
from chart import merge, templates

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
CHART = DEPLOY / "helm/patchserve"
VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
# A metric that isn't followed by { and so is everybody's.
WITHOUT_SELECTOR = r"\b(patchserve|model|kube|container|process|DCGM)[a-zA-Z_:0-9]*[a-zA-Z0-9](?=[\s)\[]|$)"


def render(values="", settings="", name="patchserve", namespace="patchserve", chart=CHART):
    """The objects as {kind: [object]}, of `values` as YAML and `settings` as --set takes them."""
    given = merge(yaml.safe_load(values) or {}, helm.parse_set_string(settings) if settings else {})
    objects = {}
    for _, text in templates(str(chart), given, name, namespace):
        for item in yaml.safe_load_all(text):
            if item:
                objects.setdefault(item["kind"], []).append(item)
    return objects


def pod(objects):
    return objects["Deployment"][0]["spec"]["template"]["spec"]


def server(objects):
    return pod(objects)["containers"][0]


class SchemaTest(unittest.TestCase):
    def refused(self, values, word):
        with self.assertRaises(Exception) as caught:
            render(values)
        self.assertIn(word, str(caught.exception))

    def test_a_value_that_is_misspelt_is_refused(self):
        self.refused("replcias: 3", "replcias")
        self.refused("autoscaling: {maxReplica: 3}", "maxReplica")
        self.refused("resources: {limit: {memory: 1Gi}}", "limit")

    def test_a_tag_that_looks_like_a_number_must_be_a_string(self):
        self.refused("image: {tag: 1.10}", "tag")
        self.assertEqual(server(render('image: {tag: "1.10"}'))["image"], "patchserve:1.10")
        self.assertEqual(server(render(settings="image.tag=1.10"))["image"], "patchserve:1.10")

    def test_a_value_out_of_its_range_is_refused(self):
        self.refused("accessLog: 2", "accessLog")
        self.refused("image: {digest: 'sha256:abc'}", "digest")

    def test_a_latency_that_the_histogram_cannot_tell_is_no_target(self):
        self.refused("prometheusRule: {targets: {p99Seconds: 10}}", "p99Seconds")
        render("prometheusRule: {targets: {p99Seconds: 9.9}}")
        families = (DEPLOY.parent / "server/metrics/families.h").read_text()
        bounds = re.search(r"kSeconds = \{([^}]*)\}", families).group(1)
        schema = yaml.safe_load((CHART / "values.schema.json").read_text())["properties"]["prometheusRule"]
        limit = schema["properties"]["targets"]["properties"]["p99Seconds"]["exclusiveMaximum"]
        self.assertEqual(limit, float(bounds.split(",")[-1]))

    def test_a_volume_of_models_wants_its_source_and_where_it_is_mounted(self):
        self.refused("modelVolume: {mountPath: /m}", "source")
        self.refused("modelVolume: {source: {emptyDir: {}}}", "mountPath")

    def test_flags_are_those_of_the_server_that_no_value_of_the_chart_sets(self):
        self.refused("flags: {max_qeue: 64}", "max_qeue")
        self.refused("flags: {drain_timeout: 5s}", "drain_timeout")
        page = (DEPLOY.parent / "docs/flags.md").read_text()
        listed = set(re.findall("`--([a-z0-9_]+)`", "".join(re.findall(r"^\|([^|]*)\|", page, re.M))))
        everything = yaml.safe_load((pathlib.Path(__file__).parent / "everything.yaml").read_text()) | {"flags": {}}
        arguments = server(render(yaml.safe_dump(everything)))["args"]
        set_by_chart = {argument.removeprefix("--").split("=")[0] for argument in arguments} - {"connection_age_grace"}
        schema = yaml.safe_load((CHART / "values.schema.json").read_text())["properties"]["flags"]
        self.assertEqual(set(schema["propertyNames"]["enum"]), listed - set_by_chart)

    def test_what_kserves_pods_would_not_have_is_refused(self):
        kserve = "deployment: false, kserve: {enabled: true}"
        self.refused(f"{{{kserve}, modelVolume: {{mountPath: /m, source: {{emptyDir: {{}}}}}}}}", "modelVolume")
        self.refused(f"{{{kserve}, models: [/mine]}}", "kserve.services")
        self.refused(f"{{{kserve}, hub: {{cache: {{emptyDir: {{}}}}}}}}", "storageUri")
        self.refused(f"{{{kserve}, hub: {{tokenSecret: mine}}}}", "storageUri")
        self.refused(f"{{{kserve}, networkPolicy: {{clients: [{{podSelector: {{}}}}]}}}}", "networkPolicy")
        self.refused(f"{{{kserve}, service: {{port: 80}}}}", "service.port")
        self.refused(f"{{{kserve}, sidecars: [{{name: a, image: b}}]}}", "sidecars")


class PodTest(unittest.TestCase):
    def test_a_digest_goes_before_the_tag(self):
        digest = "sha256:" + "0" * 64
        self.assertEqual(server(render(f'image: {{tag: "1", digest: "{digest}"}}'))["image"], f"patchserve@{digest}")

    def test_a_new_version_of_the_chart_alone_restarts_no_pod(self):
        deployment = render()["Deployment"][0]
        self.assertEqual(deployment["metadata"]["labels"]["helm.sh/chart"], f"patchserve-{VERSION}")
        self.assertEqual(deployment["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm")
        self.assertNotIn("helm.sh/chart", deployment["spec"]["template"]["metadata"]["labels"])

    def test_a_large_volume_is_not_chowned_at_every_start(self):
        self.assertEqual(pod(render())["securityContext"]["fsGroupChangePolicy"], "OnRootMismatch")

    def test_pods_of_another_revision_do_not_count_for_the_spread(self):
        for constraint in pod(render())["topologySpreadConstraints"]:
            self.assertEqual(constraint["matchLabelKeys"], ["pod-template-hash"])

    def test_models_of_a_hub_have_a_cache_a_token_and_a_way_out(self):
        objects = render("{models: ['hf://org/name'], hub: {cache: {emptyDir: {}}, tokenSecret: mine}}")
        self.assertIn({"name": "hub", "emptyDir": {}}, pod(objects)["volumes"])
        self.assertIn({"name": "hub", "mountPath": "/huggingface"}, server(objects)["volumeMounts"])
        env = {item["name"]: item for item in server(objects)["env"]}
        self.assertEqual(env["HF_HOME"]["value"], "/huggingface")
        self.assertEqual(env["HF_TOKEN"]["valueFrom"], {"secretKeyRef": {"name": "mine", "key": "token"}})
        [rule] = objects["NetworkPolicy"][0]["spec"]["egress"]
        self.assertEqual({item["port"] for item in rule["ports"]}, {53, 443})

    def test_a_mirror_of_the_hub_may_have_a_port_of_its_own(self):
        for endpoint, ports in (
            ("http://mirror:8080/hf", {53, 443, 8080}), ("http://mirror", {53, 443, 80}), ("http://mirror:8080", {53, 443, 8080}),
            ("http://mirror/a:90", {53, 443, 80}), ("https://me:1234@mirror", {53, 443}), ("http://me:1234@mirror:8080/", {53, 443, 8080}),
            ("https://[2001:db8::1]/hf", {53, 443}), ("https://[2001:db8::1]:8443/hf", {53, 443, 8443}),
        ):
            objects = render(f"{{models: ['hf://a/b'], hub: {{cache: {{emptyDir: {{}}}}, endpoint: '{endpoint}'}}}}")
            [rule] = objects["NetworkPolicy"][0]["spec"]["egress"]
            self.assertEqual({item["port"] for item in rule["ports"]}, ports)

    def test_offline_or_without_a_model_of_a_hub_the_server_calls_nobody(self):
        offline = render("{models: ['hf://org/name'], hub: {cache: {emptyDir: {}}, offline: true}}")
        self.assertEqual(offline["NetworkPolicy"][0]["spec"]["egress"], [])
        self.assertIn({"name": "HF_HUB_OFFLINE", "value": "1"}, server(offline)["env"])
        self.assertEqual(render()["NetworkPolicy"][0]["spec"]["egress"], [])
        self.assertNotIn("env", server(render()))

    def test_models_of_a_hub_want_a_cache(self):
        for values in ("models: ['hf://org/name']", "config: 'models { name: \"a\" folder: \"hf://org/name\" }'"):
            with self.assertRaises(Exception) as caught:
                render(values)
            self.assertIn("hub.cache", str(caught.exception))

    def test_models_can_come_from_an_oci_image(self):
        objects = render("modelVolume: {mountPath: /checkpoints, source: {image: {reference: 'flowers:3'}}}")
        self.assertIn({"name": "models", "image": {"reference": "flowers:3"}}, pod(objects)["volumes"])

    def test_extras_stand_beside_what_is_there(self):
        objects = render(
            """
            extraEnv: [{name: TZ, value: UTC}]
            extraVolumes: [{name: cache, emptyDir: {}}]
            extraVolumeMounts: [{name: cache, mountPath: /cache}]
            initContainers: [{name: fetch, image: "fetch:1"}]
            sidecars: [{name: shipper, image: "shipper:1"}]
            """
        )
        self.assertEqual([c["name"] for c in pod(objects)["containers"]], ["patchserve", "shipper"])
        self.assertEqual([c["name"] for c in pod(objects)["initContainers"]], ["fetch"])
        self.assertEqual([v["name"] for v in pod(objects)["volumes"]], ["tmp", "cache"])
        self.assertEqual([m["name"] for m in server(objects)["volumeMounts"]], ["tmp", "cache"])
        self.assertEqual(server(objects)["env"], [{"name": "TZ", "value": "UTC"}])

    def test_it_runs_as_whom_and_with_what_priority_is_said(self):
        objects = render("{serviceAccountName: vision, priorityClassName: high, minReadySeconds: 5}")
        self.assertEqual((pod(objects)["serviceAccountName"], pod(objects)["priorityClassName"]), ("vision", "high"))
        self.assertEqual(objects["Deployment"][0]["spec"]["minReadySeconds"], 5)


class GpuTest(unittest.TestCase):
    def test_a_gpu_brings_its_resource_tolerations_memory_and_update(self):
        objects = render("{gpu: {enabled: true}, tolerations: [{key: spot, operator: Exists}]}")
        self.assertEqual(server(objects)["image"], f"patchserve:{VERSION}-cuda")
        self.assertEqual(server(objects)["resources"]["limits"]["nvidia.com/gpu"], 1)
        self.assertEqual(server(objects)["resources"]["limits"]["memory"], "8Gi")
        self.assertEqual([t["key"] for t in pod(objects)["tolerations"]], ["spot", "nvidia.com/gpu"])
        self.assertEqual(objects["Deployment"][0]["spec"]["strategy"]["rollingUpdate"], {"maxSurge": 0, "maxUnavailable": 1})
        self.assertNotIn("runtimeClassName", pod(objects))

    def test_a_slice_of_a_gpu_and_a_runtime_class_can_be_asked_for(self):
        objects = render("gpu: {enabled: true, resource: nvidia.com/mig-1g.10gb, runtimeClassName: nvidia}")
        limits = server(objects)["resources"]["limits"]
        self.assertEqual(limits["nvidia.com/mig-1g.10gb"], 1)
        self.assertNotIn("nvidia.com/gpu", limits)
        self.assertEqual(pod(objects)["runtimeClassName"], "nvidia")

    def test_without_a_gpu_there_is_nothing_of_it(self):
        self.assertNotIn("tolerations", pod(render()))
        self.assertEqual(server(render())["resources"]["limits"]["memory"], "2Gi")


class BudgetTest(unittest.TestCase):
    def test_min_available_takes_the_place_of_max_unavailable(self):
        spec = render("podDisruptionBudget: {minAvailable: 50%}")["PodDisruptionBudget"][0]["spec"]
        self.assertEqual(spec["minAvailable"], "50%")
        self.assertNotIn("maxUnavailable", spec)

    def test_a_pod_that_is_not_ready_holds_up_no_drain(self):
        spec = render()["PodDisruptionBudget"][0]["spec"]
        self.assertEqual((spec["maxUnavailable"], spec["unhealthyPodEvictionPolicy"]), (1, "AlwaysAllow"))

    def test_it_can_be_left_out(self):
        self.assertNotIn("PodDisruptionBudget", render("podDisruptionBudget: {enabled: false}"))


class AutoscalerTest(unittest.TestCase):
    def metrics(self, objects):
        spec = objects["HorizontalPodAutoscaler"][0]["spec"]
        return {m["pods"]["metric"]["name"]: m["pods"]["target"]["averageValue"] for m in spec["metrics"]}

    def test_it_scales_on_demand_over_capacity(self):
        self.assertEqual(self.metrics(render()), {"patchserve_demand_ratio": "700m"})

    def test_it_takes_several_metrics(self):
        objects = render("autoscaling: {targets: {queueDelay: 50m}}")
        self.assertEqual(self.metrics(objects), {"patchserve_demand_ratio": "700m", "patchserve_queue_delay_seconds": "50m"})

    def test_it_wants_at_least_one(self):
        with self.assertRaisesRegex(Exception, "set one of demand, queueDelay and busy"):
            render("autoscaling: {targets: {demand: ''}}")

    def test_the_adapter_has_a_rule_for_each_metric(self):
        rules = yaml.safe_load((CHART / "files/prometheus-adapter.yaml").read_text())["rules"]["custom"]
        objects = render("autoscaling: {targets: {queueDelay: 50m, busy: 500m}}")
        self.assertEqual({rule["name"]["as"] for rule in rules}, set(self.metrics(objects)))

    def test_its_behaviour_can_be_replaced(self):
        spec = render("autoscaling: {behavior: {scaleDown: {selectPolicy: Disabled}}}")["HorizontalPodAutoscaler"][0]["spec"]
        self.assertEqual(spec["behavior"], {"scaleDown": {"selectPolicy": "Disabled"}})

    def test_each_service_of_kserve_has_one_in_place_of_kserves(self):
        objects = render("{deployment: false, kserve: {enabled: true, services: [{name: flowers, storageUri: 'pvc://m/f'}]}}")
        scaler, service = objects["HorizontalPodAutoscaler"][0], objects["InferenceService"][0]
        self.assertEqual(scaler["spec"]["scaleTargetRef"]["name"], "flowers-predictor")
        self.assertEqual(service["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"], "external")
        self.assertEqual(self.metrics(objects), {"patchserve_demand_ratio": "700m"})


class ReplicasTest(unittest.TestCase):
    """Of an upgrade; what the cluster has is in a file, since a rendering looks nothing up."""

    def upgrade(self, live, values=""):
        with tempfile.TemporaryDirectory() as folder:
            chart = pathlib.Path(folder) / "patchserve"
            shutil.copytree(CHART, chart)
            (chart / "live.json").write_text(json.dumps(live))
            template = chart / "templates/deployment.yaml"
            text = template.read_text()
            lookup = 'lookup "apps/v1" "Deployment" .Release.Namespace $name'
            self.assertIn(lookup, text)
            template.write_text(text.replace(lookup, '.Files.Get "live.json" | fromJson'))
            return render(values, chart=chart)["Deployment"][0]

    def test_they_stay_what_they_are_when_the_autoscaler_is_turned_on_and_from_then_on(self):
        before = render("{autoscaling: {enabled: false}, replicas: 5}")["Deployment"][0]
        self.assertEqual(before["spec"]["replicas"], 5)
        turned_on = self.upgrade(before)
        self.assertEqual(turned_on["spec"]["replicas"], 5)
        turned_on["spec"]["replicas"] = 7  # by the autoscaler
        self.assertEqual(self.upgrade(turned_on)["spec"]["replicas"], 7)

    def test_none_are_said_where_the_autoscaler_was_always_on(self):
        installed = render()["Deployment"][0]
        self.assertNotIn("replicas", installed["spec"])
        installed["spec"]["replicas"] = 7
        self.assertNotIn("replicas", self.upgrade(installed)["spec"])

    def test_a_deployment_that_was_scaled_to_nothing_stays_so(self):
        before = render("{autoscaling: {enabled: false}, replicas: 0}")["Deployment"][0]
        self.assertEqual(before["spec"]["replicas"], 0)
        self.assertEqual(self.upgrade(before)["spec"]["replicas"], 0)


class NetworkPolicyTest(unittest.TestCase):
    def rules(self, values=""):
        spec = render(values)["NetworkPolicy"][0]["spec"]
        return {rule["ports"][0]["port"]: rule["from"] for rule in spec["ingress"]}, spec["egress"]

    def test_metrics_and_health_have_their_own_peers(self):
        ingress, _ = self.rules("networkPolicy: {metrics: [{podSelector: {}}]}")
        self.assertEqual(ingress["metrics"], [{"podSelector": {}}])
        self.assertEqual(ingress["health"], [{"namespaceSelector": {}}])

    def test_nothing_goes_out_unless_it_is_said(self):
        self.assertEqual(self.rules()[1], [])
        self.assertEqual(self.rules("networkPolicy: {egress: [{ports: [{port: 443}]}]}")[1], [{"ports": [{"port": 443}]}])


class NotesTest(unittest.TestCase):
    def notes(self, values):
        with helm.Chart.load(str(CHART)) as chart:
            return chart.render(yaml.safe_load(values), name="patchserve", namespace="vision")["patchserve/templates/NOTES.txt"]

    def test_they_name_the_service_that_is_there(self):
        kserve = "kserve: {enabled: true, services: [{name: flowers, storageUri: 'pvc://m/f'}]}"
        self.assertIn("port-forward service/patchserve", self.notes("{}"))
        self.assertNotIn("inferenceservice", self.notes("{}"))
        self.assertNotIn("service/patchserve", self.notes(f"{{deployment: false, {kserve}}}"))
        self.assertIn("kubectl -n vision get inferenceservice flowers", self.notes(f"{{deployment: false, {kserve}}}"))


class MonitoringTest(unittest.TestCase):
    def test_the_release_of_the_operators_stack_is_a_label(self):
        objects = render("prometheusOperator: {release: stack}")
        for kind in ("ServiceMonitor", "PrometheusRule"):
            self.assertEqual(objects[kind][0]["metadata"]["labels"]["release"], "stack")

    def test_the_dashboard_is_a_config_map_for_grafanas_sidecar(self):
        found = render("dashboard: {enabled: true}")["ConfigMap"][0]
        self.assertEqual(found["metadata"]["labels"]["grafana_dashboard"], "1")
        self.assertEqual(yaml.safe_load(found["data"]["patchserve.json"]),
                         yaml.safe_load((CHART / "files/dashboard.json").read_text()))


class DashboardTest(unittest.TestCase):
    def setUp(self):
        self.dashboard = dashboard.load(CHART / "files/dashboard.json")

    def test_it_can_be_narrowed_to_a_namespace_a_release_and_a_pod(self):
        variables = {v["name"] for v in self.dashboard["templating"]["list"]}
        self.assertLessEqual({"namespace", "job", "pod", "model"}, variables)
        for panel in dashboard.panels(self.dashboard):
            for target in panel["targets"]:
                for selector in re.findall(r"\{([^}]*)\}", target["expr"]):
                    self.assertIn('namespace=~"$namespace"', selector, panel["title"])
                    self.assertRegex(selector, r'(job|horizontalpodautoscaler)=~"\$job"|pod=~"\$pod"', panel["title"])
                self.assertNotRegex(target["expr"], WITHOUT_SELECTOR, panel["title"])

    def test_it_shows_what_is_asked_in_an_incident(self):
        shown = " ".join(target["expr"] for panel in dashboard.panels(self.dashboard) for target in panel["targets"])
        for metric in (
            "patchserve_error_budget:left3d", "patchserve:target_error_ratio", "patchserve:target_p99_seconds",
            "status_desired_replicas", "status_current_replicas", "spec_max_replicas", "container_memory_working_set_bytes",
            "patchserve_memory_limit_bytes", "cfs_throttled_periods_total", "DCGM_FI_DEV_GPU_UTIL",
            "patchserve_unauthenticated_total", "patchserve_certificate_expiry_timestamp_seconds",
        ):
            self.assertIn(metric, shown)

    def test_rollouts_are_marked_in_every_panel(self):
        marks = {mark["name"]: mark for mark in self.dashboard["annotations"]["list"]}
        self.assertTrue(marks["Rollouts"]["enable"])
        self.assertIn("kube_replicaset_created", marks["Rollouts"]["expr"])


def rules(objects):
    return [rule for group in objects["PrometheusRule"][0]["spec"]["groups"] for rule in group["rules"]]


class RulesTest(unittest.TestCase):
    def test_the_rules_of_two_releases_select_nothing_of_each_other(self):
        for rule in rules(render(name="b", namespace="vision")):
            selectors = re.findall(r"\{([^}]*)\}", rule["expr"])
            if rule["expr"].startswith("vector"):
                self.assertEqual(rule["labels"], {"namespace": "vision", "job": "b-patchserve"})
            else:
                self.assertTrue(selectors, rule)
            for selector in selectors:
                self.assertRegex(selector, r'namespace="vision", (job="b-patchserve"|horizontalpodautoscaler=~"b-patchserve"|pod=~"\(b-patchserve\)-)')
            # A metric without a selector would be everybody's.
            self.assertNotRegex(rule["expr"], WITHOUT_SELECTOR)

    def test_every_alert_is_tested_to_fire(self):
        tests = yaml.safe_load((pathlib.Path(__file__).parent / "prometheus/alerts_test.yml").read_text())["tests"]
        fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
        self.assertEqual(fired, {rule["alert"] for rule in rules(render()) if "alert" in rule})

    def test_every_alert_has_a_page_that_says_what_to_do(self):
        pages = {page.stem for page in (DEPLOY / "runbooks").glob("*.md")}
        alerts = {rule["alert"]: rule for rule in rules(render()) if "alert" in rule}
        self.assertEqual(pages, set(alerts))
        for name, alert in alerts.items():
            page = (DEPLOY.parent / alert["annotations"]["runbook"]).read_text()
            self.assertTrue(page.startswith(f"# {name}\n"))
            self.assertIn(f"Severity **{alert['labels']['severity']}**", page)
            self.assertEqual(re.findall(r"^## (.*)$", page, re.M), ["What it means", "Look", "Do", "Afterwards"])
            for link in re.findall(r"\]\(([^)#]+)\)", page):
                self.assertTrue((DEPLOY / "runbooks" / link).resolve().exists(), f"{name}: {link}")

    def test_the_shell_that_pages_bring_is_one_that_restricted_pods_let_in(self):
        pages = [*(DEPLOY / "runbooks").glob("*.md"), DEPLOY / "README.md"]
        commands = [line for page in pages for line in re.findall(r"`(kubectl debug [^`]*)`", page.read_text())]
        self.assertEqual(len(commands), 2)
        for command in commands:
            self.assertIn(" -it POD --profile=restricted ", command)

    def test_the_logs_that_pages_read_of_many_pods_are_whole(self):
        # With a selector kubectl shows the last ten lines of each pod, and not which pod's they are.
        pages = "".join(page.read_text() for page in (DEPLOY / "runbooks").glob("*.md"))
        commands = re.findall(r"kubectl logs -l [^`|]*", pages)
        self.assertTrue(commands)
        for command in commands:
            self.assertIn(" --tail=-1 --prefix", command)

    def test_the_pages_can_be_linked_to_where_they_are_published(self):
        for rule in rules(render("prometheusRule: {runbookUrl: 'https://wiki.example.com/ps/'}")):
            if "alert" in rule:
                self.assertEqual(rule["annotations"]["runbook_url"], f"https://wiki.example.com/ps/{rule['alert']}.md")


if __name__ == "__main__":
    unittest.main()
