"""PhotoClassifier behind mosec: WORKERS processes, each decodes and runs its own batches.

  CHECKPOINT=FOLDER WORKERS=N python mosec_server.py --address 127.0.0.1 --port PORT --timeout 60000
"""

import os

from mosec import Server, Worker
from photo_classifier import PhotoClassifier


class Photos(Worker):
    def __init__(self):
        self._classifier = PhotoClassifier(os.environ["CHECKPOINT"], threads=1)

    def deserialize(self, data):
        return data

    def forward(self, data):
        return self._classifier(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Photos, num=int(os.environ["WORKERS"]), max_batch_size=8, max_wait_time=1)
    server.run()
