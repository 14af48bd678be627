"""KServe's Python gRPC client."""

import asyncio

import grpc
import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferInput, InferRequest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as kserve_messages
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as kserve_services
from PIL import Image

MODEL = "vit_cifar10"


@pytest.fixture
def ask(address):
    """ask(lambda client: client.is_server_live()): the answer of one call."""

    def run(call):
        async def once():
            client = InferenceGRPCClient(address)
            try:
                return await call(client)
            finally:
                await client.close()

        return asyncio.run(once())

    return run


def request(model, datatype, data, binary, **options):
    tensor = InferInput("image", list(data.shape), datatype)
    tensor.set_data_from_numpy(data, binary_data=binary)
    return InferRequest(model, [tensor], **options)


@pytest.fixture
def values(ask):
    def infer(*arguments):
        return ask(lambda client: client.infer(request(*arguments), timeout=30)).outputs[0].as_numpy()

    return infer


@pytest.fixture
def file_values(values, photos):
    return values(MODEL, "BYTES", np.array(photos[:1], dtype=np.object_), True)


def test_server_and_model_are_ready(ask):
    assert ask(lambda client: client.is_server_live())
    assert ask(lambda client: client.is_server_ready())
    assert ask(lambda client: client.is_model_ready(MODEL))


def test_files(file_values):
    assert file_values.shape == (1, 10)
    assert abs(file_values.sum() - 1) < 1e-4


def test_the_id_is_echoed(ask, photos):
    data = np.array(photos[:1], dtype=np.object_)
    answer = ask(lambda client: client.infer(request(MODEL, "BYTES", data, True, request_id="seven"), timeout=30))
    assert answer.id == "seven"


@pytest.mark.parametrize("binary", [True, False])
def test_pixels_raw_and_typed(values, file_values, images, binary):
    picture = np.asarray(Image.open(images / "chelsea.jpg").convert("RGB"))[np.newaxis]
    np.testing.assert_allclose(values(MODEL + ".pixels", "UINT8", picture, binary), file_values, atol=0.02)


def test_a_typed_tensor(values):
    assert values(MODEL + ".tensor", "FP32", np.zeros((2, 3, 32, 32), np.float32), False).shape == (2, 10)


def test_load_and_unload_by_kserves_messages(address):
    # Its client has no method for them.
    with grpc.insecure_channel(address) as channel:
        stub = kserve_services.GRPCInferenceServiceStub(channel)
        unloaded = stub.RepositoryModelUnload(kserve_messages.RepositoryModelUnloadRequest(model_name=MODEL))
        loaded = stub.RepositoryModelLoad(kserve_messages.RepositoryModelLoadRequest(model_name=MODEL))
    assert unloaded.model_name == loaded.model_name == MODEL
    assert unloaded.isUnloaded and loaded.isLoaded
