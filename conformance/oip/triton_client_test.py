"""NVIDIA's Python client: every way to call, every input, every output."""

import asyncio
import queue
import time

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from PIL import Image
from protos import messages, services
from tritonclient.utils import InferenceServerException

MODEL = "vit_cifar10"
LABELS = "airplane automobile bird cat deer dog frog horse ship truck".split()


@pytest.fixture(scope="module")
def client(address):
    with triton.InferenceServerClient(address) as opened:
        yield opened


def tensor(datatype, data):
    made = triton.InferInput("image", list(data.shape), datatype)
    made.set_data_from_numpy(data)
    return [made]


def files(photos, column=True):
    data = np.array(photos, dtype=np.object_)
    return tensor("BYTES", data.reshape(-1, 1) if column else data)


def outputs(*names, **options):
    return [triton.InferRequestedOutput(name, **options) for name in names]


def probabilities(client, photos):
    return client.infer(MODEL, files(photos)).as_numpy("probabilities")


def assert_close(actual, expected):
    """But for the last bits, which depend on what an image was batched with."""
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)


def assert_refused(code, call):
    with pytest.raises(InferenceServerException) as error:
        call()
    assert error.value.status() == f"StatusCode.{code}"


def test_server_and_model_are_ready(client):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(MODEL) and client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready("nobody") and not client.is_model_ready(MODEL, "2")


def test_metadata_config_and_index(client):
    assert "statistics" in client.get_server_metadata().extensions
    metadata = client.get_model_metadata(MODEL)
    assert metadata.inputs[0].datatype == "BYTES" and list(metadata.inputs[0].shape) == [-1, 1]
    config = client.get_model_config(MODEL + ".tensor").config
    assert config.max_batch_size > 0 and list(config.input[0].dims) == [3, 32, 32]
    assert {model.name: model.state for model in client.get_model_repository_index().models}[MODEL] == "READY"


def test_both_services_give_the_same_answer(client, address, photos):
    stub = services.ImageClassificationStub(grpc.insecure_channel(address))
    for photo in photos:
        answer = stub.Classify(messages.ClassifyRequest(encoded=photo, model=MODEL, top_k=10))
        by_class = [p.probability for p in sorted(answer.predictions, key=lambda p: p.class_id)]
        # Both ran alone: the same to the last bit.
        assert probabilities(client, [photo])[0].tolist() == np.array(by_class, np.float32).tolist()


def test_a_request_of_many_is_answered_in_order(client, photos):
    together = probabilities(client, photos * 5)
    for i, photo in enumerate(photos * 5):
        assert_close(together[i : i + 1], probabilities(client, [photo]))


def test_a_shape_of_one_side(client, photos):
    assert client.infer(MODEL, files(photos, column=False)).as_numpy("probabilities").shape == (3, 10)


def test_the_id_is_echoed(client, photos):
    assert client.infer(MODEL, files(photos[:1]), request_id="seven").get_response().id == "seven"


def test_classification(client, photos):
    asked = outputs("probabilities", class_count=3)
    rows = client.infer(MODEL, files(photos[:2]), outputs=asked).as_numpy("probabilities")
    assert rows.shape == (2, 3)
    value, index, label = rows[0][0].decode().split(":")
    expected = probabilities(client, photos[:1])[0]
    assert int(index) == expected.argmax() and label == LABELS[int(index)]
    assert abs(float(value) - expected.max()) < 1e-4


def test_outputs_by_name(client, photos):
    result = client.infer(MODEL, files(photos[:1]), outputs=outputs("logits", "embedding", "label"))
    logits = result.as_numpy("logits")
    exponents = np.exp(logits - logits.max())
    assert_close(exponents / exponents.sum(), probabilities(client, photos[:1]))
    assert result.as_numpy("embedding").shape == (1, 128)
    assert result.as_numpy("label").tolist() == [[LABELS[logits.argmax()].encode()]]


@pytest.fixture(scope="module")
def pixels(images):
    photo = Image.open(images / "chelsea.jpg").convert("RGB").resize((32, 32))
    return np.asarray(photo)[np.newaxis]


@pytest.mark.parametrize(
    "datatype, numpy_type, tolerance",
    [("FP32", np.float32, 1e-4), ("FP16", np.float16, 0.02), ("BF16", np.float32, 0.05)])
def test_a_normalised_tensor_means_the_same_as_its_pixels(client, pixels, datatype, numpy_type, tolerance):
    mean, std = np.array([0.4914, 0.4822, 0.4465]), np.array([0.247, 0.2435, 0.2616])
    normalised = ((pixels / 255 - mean) / std).transpose(0, 3, 1, 2).astype(numpy_type)
    from_pixels = client.infer(MODEL + ".pixels", tensor("UINT8", pixels)).as_numpy("probabilities")
    from_tensor = client.infer(MODEL + ".tensor", tensor(datatype, normalised)).as_numpy("probabilities")
    np.testing.assert_allclose(from_tensor, from_pixels, atol=tolerance)


def test_async_callbacks(client, photos):
    answers = queue.Queue()
    for _ in range(20):
        client.async_infer(MODEL, files(photos[:1]), lambda result, error: answers.put((result, error)))
    for _ in range(20):
        result, error = answers.get(timeout=60)
        assert error is None
        assert_close(result.as_numpy("probabilities"), probabilities(client, photos[:1]))


def test_asyncio(address, photos):
    async def run():
        async with triton_aio.InferenceServerClient(address) as client:
            return await asyncio.gather(*(client.infer(MODEL, files([photo])) for photo in photos))

    assert [result.as_numpy("probabilities").shape for result in asyncio.run(run())] == [(1, 10)] * 3


def test_a_stream_answers_in_order_and_a_bad_image_fails_alone(client, photos):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(30):
        client.async_stream_infer(MODEL, files([b"no image" if i == 7 else photos[i % 3]]), request_id=str(i))
    came = [answers.get(timeout=60) for _ in range(30)]
    client.stop_stream()
    assert "INVALID_ARGUMENT" in str(came[7][1])
    assert [result.get_response().id for result, error in came if error is None] == [
        str(i) for i in range(30) if i != 7]


@pytest.mark.parametrize("code, call", [
    ("NOT_FOUND", lambda client, photos: client.infer("nobody", files(photos))),
    ("INVALID_ARGUMENT", lambda client, photos: client.infer(MODEL, files([b"no image"]))),
    ("INVALID_ARGUMENT", lambda client, photos: client.infer(MODEL, files(photos), outputs=outputs("scores"))),
    ("UNIMPLEMENTED", lambda client, photos: client.get_system_shared_memory_status()),
    ("UNIMPLEMENTED", lambda client, photos: client.get_trace_settings()),
    ("DEADLINE_EXCEEDED", lambda client, photos: client.infer(MODEL, files(photos * 30), timeout=1)),
    ("DEADLINE_EXCEEDED", lambda client, photos: client.infer(MODEL, files(photos * 30), client_timeout=0.001)),
])
def test_errors_have_their_codes(client, photos, code, call):
    assert_refused(code, lambda: call(client, photos))


def test_a_cancelled_request_is_dropped(client, server, photos):
    before, answers = server.metrics(), queue.Queue()
    call = client.async_infer(MODEL, files(photos * 30), lambda result, error: answers.put(error))
    call.cancel()
    assert "CANCELLED" in str(answers.get(timeout=60).status())
    while server.metrics()["patchserve_in_flight"] > 0:
        time.sleep(0.01)
    assert (server.metrics() - before)["patchserve_images_total"] < 90


def test_timeout_and_priority(client, photos):
    assert client.infer(MODEL, files(photos[:1]), priority=1, timeout=30_000_000) is not None


def test_statistics_count_requests_images_and_batches(client, photos):
    def read():
        stats = client.get_inference_statistics(MODEL).model_stats[0]
        in_batches = sum(batch.batch_size * batch.compute_infer.count for batch in stats.batch_stats)
        return np.array([stats.inference_stats.success.count, stats.inference_count, in_batches])

    before = read()
    for _ in range(3):
        probabilities(client, photos)
    assert (read() - before).tolist() == [3, 9, 9]


def test_a_model_is_unloaded_loaded_and_replaced(client, photos):
    other = "convmixer_cifar10"
    client.unload_model(other)
    assert not client.is_model_ready(other) and client.is_server_ready()
    assert_refused("UNAVAILABLE", lambda: client.infer(other, files(photos)))
    client.load_model(other)
    assert client.is_model_ready(other)
    client.load_model(other)  # in the place of itself
    assert client.infer(other, files(photos)).as_numpy("probabilities").shape == (3, 10)


def test_only_configured_models_are_loaded_and_as_they_are(client):
    assert_refused("NOT_FOUND", lambda: client.load_model("nobody"))
    assert_refused("NOT_FOUND", lambda: client.unload_model("nobody"))
    assert_refused("INVALID_ARGUMENT", lambda: client.load_model(MODEL, config="{}"))
