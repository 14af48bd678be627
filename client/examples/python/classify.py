"""Classifies image files from Python.

    pip install grpcio grpcio-tools
    python client/examples/python/classify.py 127.0.0.1:8001 cat.jpg dog.png

The stubs are generated from the .proto when the program starts. To keep them as
files instead:

    python -m grpc_tools.protoc -I proto --python_out=. --grpc_python_out=. \
        patchserve/v1/classification.proto
"""

import json
import pathlib
import sys

import grpc

# grpcio looks for .proto files where Python looks for modules.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "proto"))
messages, services = grpc.protos_and_services("patchserve/v1/classification.proto")

# Try again where the server says that this helps; it may also say when.
SERVICE_CONFIG = {
    "methodConfig": [{
        "name": [{"service": "patchserve.v1.ImageClassification", "method": "Classify"}],
        "retryPolicy": {
            "maxAttempts": 5,
            "initialBackoff": "0.15s",
            "maxBackoff": "2s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
        },
    }]
}
OPTIONS = [
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.per_rpc_retry_buffer_size", 64 << 20),  # a larger request isn't retried
]


def main(server, files):
    failed = False
    with grpc.insecure_channel(server, options=OPTIONS) as channel:
        stub = services.ImageClassificationStub(channel)
        for file in files:
            try:
                request = messages.ClassifyRequest(encoded=pathlib.Path(file).read_bytes())
                answer = stub.Classify(request, timeout=10)
            except (OSError, grpc.RpcError) as error:
                reason = (f"{error.code().name}: {error.details()}"
                          if isinstance(error, grpc.RpcError) else error)
                print(f"{file}: {reason}", file=sys.stderr)
                failed = True
                continue
            for p in answer.predictions:
                print(f"{file}\t{100 * p.probability:.2f} %\t{p.description or p.label}")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: classify.py HOST:PORT FILE ...")
    sys.exit(main(sys.argv[1], sys.argv[2:]))
