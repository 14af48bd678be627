"""The same with NVIDIA's client: only the address is patchserve's.

    pip install 'tritonclient[grpc]'
    python client/examples/python/triton_classify.py 127.0.0.1:8001 cat.jpg
"""

import pathlib
import sys

import numpy
import tritonclient.grpc as triton

address, *paths = sys.argv[1:]
files = numpy.array([[pathlib.Path(path).read_bytes()] for path in paths], dtype=object)
image = triton.InferInput("image", files.shape, "BYTES")
image.set_data_from_numpy(files)
top_3 = [triton.InferRequestedOutput("probabilities", class_count=3)]

answer = triton.InferenceServerClient(address).infer("vit_cifar10", [image], outputs=top_3)
for path, ranked in zip(paths, answer.as_numpy("probabilities")):
    print(path, *(value_index_label.decode() for value_index_label in ranked))
