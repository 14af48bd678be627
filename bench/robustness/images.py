"""Every file of bad_images.py, three at a time: four of the largest have more pixels than may wait."""

import collections
import concurrent.futures
import itertools

import grpc
from bad_images import all_files
from protos import messages, services

ALLOWED = {"OK", "INVALID_ARGUMENT"}


def run(attacks):
    with grpc.insecure_channel(attacks.server.address) as channel:
        stub = services.ImageClassificationStub(channel)

        def code_of(file):
            try:
                stub.Classify(messages.ClassifyRequest(encoded=file), timeout=120)
                return "OK"
            except grpc.RpcError as error:
                return error.code().name

        for kind, files in itertools.groupby(all_files(), key=lambda pair: pair[0]):
            files = [file for _, file in files][::attacks.size(1, 4)]
            attacks.attack(f"images: {kind}", lambda files=files: _send(files, code_of))


def _send(files, code_of):
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        return f"{len(files):,} files", collections.Counter(pool.map(code_of, files))
