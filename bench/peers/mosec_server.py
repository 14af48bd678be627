"""PhotoClassifier behind mosec: each process decodes and runs its own batches.

  CHECKPOINT=FOLDER PROCESSES=N THREADS=M python mosec_server.py --address 127.0.0.1 --port PORT --timeout 60000
"""

import os

from mosec import Server, Worker
from photo_classifier import PhotoClassifier


class Photos(Worker):
    def __init__(self):
        self._classifier = PhotoClassifier(os.environ["CHECKPOINT"], threads=int(os.environ["THREADS"]))

    def deserialize(self, data):
        return data

    def forward(self, data):
        return self._classifier(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Photos, num=int(os.environ["PROCESSES"]), max_batch_size=8, max_wait_time=1)
    server.run()
