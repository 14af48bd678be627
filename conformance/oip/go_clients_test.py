"""grpcurl, which learns the service by reflection, and grpc-health-probe."""

import base64
import json
import subprocess

import pytest


@pytest.fixture
def grpcurl(build, address):
    def call(*arguments, message=None):
        command = [build / "conformance" / "bin" / "grpcurl", "-plaintext"]
        if message is not None:
            command += ["-d", "@"]
        return subprocess.run([*command, address, *arguments], input=json.dumps(message), capture_output=True,
                              text=True, check=True).stdout

    return call


def test_grpcurl_lists_the_service(grpcurl):
    assert "inference.GRPCInferenceService" in grpcurl("list").split()
    assert "inference.GRPCInferenceService.ModelInfer" in grpcurl("list", "inference.GRPCInferenceService").split()


def test_grpcurl_reads_metadata(grpcurl):
    metadata = json.loads(grpcurl("inference.GRPCInferenceService/ModelMetadata", message={"name": "vit_cifar10"}))
    assert [tensor["datatype"] for tensor in metadata["inputs"]] == ["BYTES"]


def test_grpcurl_infers(grpcurl, photos):
    photo = base64.b64encode(photos[0]).decode()
    answer = json.loads(grpcurl("inference.GRPCInferenceService/ModelInfer", message={
        "model_name": "vit_cifar10",
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "contents": {"bytes_contents": [photo]}}],
        "outputs": [{"name": "label"}]}))
    element = base64.b64decode(answer["raw_output_contents"][0])
    assert int.from_bytes(element[:4], "little") == len(element[4:]) and element[4:].isalpha()


@pytest.mark.parametrize("service", ["", "readiness", "liveness", "vit_cifar10", "inference.GRPCInferenceService"])
def test_grpc_health_probe_finds_it_serving(build, address, service):
    probe = build / "conformance" / "bin" / "grpc-health-probe"
    subprocess.run([probe, f"-addr={address}", f"-service={service}"], check=True)
