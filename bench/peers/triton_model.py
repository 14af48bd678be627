"""model.py of Triton's python backend: PhotoClassifier, a batch of requests at a time."""

import os
import sys

sys.path[:0] = os.environ["PEER_PYTHONPATH"].split(":")  # the backend's interpreter knows no virtual environment

import numpy as np  # noqa: E402
import triton_python_backend_utils as triton  # noqa: E402
from photo_classifier import PhotoClassifier  # noqa: E402


class TritonPythonModel:
    def initialize(self, args):
        self._classifier = PhotoClassifier(os.environ["CHECKPOINT"], threads=int(os.environ["THREADS"]))

    def execute(self, requests):
        photos = [triton.get_input_tensor_by_name(request, "PHOTO").as_numpy()[0, 0] for request in requests]
        return [triton.InferenceResponse([triton.Tensor("CLASS", np.array([ids], np.int32)),
                                          triton.Tensor("PROBABILITY", np.array([probabilities], np.float32))])
                for ids, probabilities in self._classifier(photos)]
