"""perf_analyzer, the binary of the tritonclient wheel: a whole run, which it and the server count alike."""

import base64
import json
import os
import pathlib
import re
import struct
import subprocess
import sys

import nvidia.cuda_runtime
import pytest
import tritonclient.grpc as triton

MODEL = "vit_cifar10"
REQUESTS = 500


@pytest.fixture(scope="module")
def input_data(images, tmp_path_factory):
    # The decoded b64 is the raw tensor: a BYTES element with its length.
    photo = (images / "500x375.jpg").read_bytes()
    element = base64.b64encode(struct.pack("<I", len(photo)) + photo).decode()
    file = tmp_path_factory.mktemp("perf_analyzer") / "input.json"
    file.write_text(json.dumps({"data": [{"image": {"b64": element}}]}))
    return "--input-data", file, "--shape", "image:1"


def run(address, model, *flags):
    """-> what it printed."""
    library = pathlib.Path(next(iter(nvidia.cuda_runtime.__path__))) / "lib"
    command = [pathlib.Path(sys.executable).parent / "perf_analyzer", "-m", model, "-i", "grpc", "-u", address,
               "--concurrency-range", "4", *flags]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LD_LIBRARY_PATH": str(library)})
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    return done.stdout


def count(log, label):
    return int(re.search(rf"^ *{label}: (\d+)", log, re.MULTILINE)[1])


def statistics(address):
    return triton.InferenceServerClient(address).get_inference_statistics(MODEL).model_stats[0]


def test_a_run_of_so_many_requests_is_counted_by_both(server, input_data):
    before, metrics_before = statistics(server.address), server.metrics()
    log = run(server.address, MODEL, *input_data, "--request-count", str(REQUESTS))
    after, did = statistics(server.address), server.metrics() - metrics_before

    assert count(log, "Request count") == REQUESTS
    for label in ("Inference count", "Successful request count"):
        # Its first look at the server may come after its first requests.
        assert 0.9 * REQUESTS < count(log, label) <= REQUESTS, label
    for part in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        grown = getattr(after.inference_stats, part).count - getattr(before.inference_stats, part).count
        assert grown == REQUESTS, part
    assert after.inference_stats.fail.count == before.inference_stats.fail.count
    assert did["nv_inference_request_success", f"model={MODEL}"] == REQUESTS
    assert did["nv_inference_count", f"model={MODEL}"] == REQUESTS
    assert did["patchserve_requests_total", f"model={MODEL}", "code=OK"] == REQUESTS
    batches = after.execution_count - before.execution_count
    assert count(log, "Execution count") == batches == did["nv_inference_exec_count", f"model={MODEL}"]


def test_a_run_of_windows_of_time_ends(server, input_data):
    before = statistics(server.address).inference_stats.success.count
    # It looks for stability until the third window, whatever the machine does.
    log = run(server.address, MODEL, *input_data, "--measurement-interval", "2000", "-s", "999", "-r", "3")
    # Its windows don't hold what it sends before, between and after them.
    whole_run = statistics(server.address).inference_stats.success.count - before
    assert 0 < count(log, "Request count") <= whole_run
    assert 0 < count(log, "Successful request count") <= whole_run


# Its random FP32 values are random bits: NaN among them.
@pytest.mark.parametrize("batch", [1, 64])
def test_its_own_random_tensors_are_answered_in_batches_of_any_size(server, batch):
    before = statistics(server.address).inference_count
    log = run(server.address, f"{MODEL}.tensor", "-b", str(batch), "--request-count", "40")
    assert count(log, "Request count") == 40
    # Not its own count of images: it asks for the statistics when the first requests are under way.
    assert statistics(server.address).inference_count - before == 40 * batch
