"""Asks a patchserve of our own."""

import concurrent.futures
import contextlib
import pathlib
import sys

import grpc
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path += [str(ROOT / "proto"), str(ROOT / "bench")]
messages, services = grpc.protos_and_services("patchserve/v1/classification.proto")

from server import Server  # noqa: E402: found by the path above


@contextlib.contextmanager
def serving(binaries, *flags):
    """A stub of a server with these flags."""
    with Server(binaries / "patchserve", *flags) as server, grpc.insecure_channel(server.address) as channel:
        stub = services.ImageClassificationStub(channel)
        stub.pid = server.pid
        yield stub


def answers(stub, files, model=""):
    """(logits, embeddings) of the files, by class id: [N, classes], [N, D]. No classes without a classifier."""

    def ask(file):
        request = messages.ClassifyRequest(model=model, encoded=file, logits=True, embedding=True, top_k=1 << 30)
        response = stub.Classify(request, timeout=600)
        logits = np.empty(len(response.predictions), np.float32)
        for prediction in response.predictions:
            logits[prediction.class_id] = prediction.logit
        return logits, np.array(response.embedding, np.float32)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        logits, embeddings = zip(*pool.map(ask, files))
    return np.stack(logits), np.stack(embeddings)
