"""patchserve and its peers as programs to start, stop and ask, each for the five best classes of a JPEG.

A peer is a context manager: inside the block it answers, `pid` is its root process, and `connect()` gives a function
from a photo's bytes to the id of its best class, to be used by one thread.
"""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import grpc
import numpy as np
import pytriton
import tritonclient.grpc

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent), str(HERE.parents[1] / "proto")]
from server import BIN, Server  # noqa: E402

# gRPC's Python makes the stubs when it starts.
messages, services = grpc.protos_and_services("patchserve/v1/classification.proto")
CORES = len(os.sched_getaffinity(0))
# For all of them, as patchserve's image sets them: threads that wait soon sleep.
os.environ.update(OMP_WAIT_POLICY="ACTIVE", GOMP_SPINCOUNT="1000")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Patchserve(Server):
    name = "patchserve"

    def __init__(self, checkpoint):
        super().__init__(BIN / "patchserve", f"--models={checkpoint}", "--device=cpu", "--precision=float32")

    def connect(self):
        channel = grpc.insecure_channel(self.address, options=[("grpc.use_local_subchannel_pool", 1)])
        classify = services.ImageClassificationStub(channel).Classify
        return lambda photo: classify(messages.ClassifyRequest(encoded=photo), timeout=60).predictions[0].class_id


class Peer:
    """A server that is another's: a command, and a folder for its files and its log.

    processes: how many copies of the model it has; PyTorch's threads in each are as many as cores are left for it.
    """

    def __init__(self, checkpoint, processes):
        self.name = f"{self.program}, {processes} x {CORES // processes}"
        self._processes = str(processes)
        self._environment = dict(os.environ, CHECKPOINT=str(pathlib.Path(checkpoint).resolve()),
                                 PROCESSES=self._processes, THREADS=str(CORES // processes))

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory()
        self._log = pathlib.Path(self._folder.name, "log")
        command = self.prepare(pathlib.Path(self._folder.name))
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        self.pid = self._process.pid
        return self

    def __exit__(self, *_):
        # Not killed: Triton would leave shared memory behind.
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        self._folder.cleanup()

    def wait_for_answer(self, photo):
        """A server may call itself ready before its model is: only an answer counts."""
        for _ in range(600):
            try:
                return self.connect()(photo)
            except Exception as error:
                if self._process.poll() is not None:
                    break
                reason = error
                time.sleep(0.5)
        raise RuntimeError(f"{self.name} doesn't answer: {reason}\n{self._log.read_text()}")


class Triton(Peer):
    program = "Triton"

    def prepare(self, folder):
        """The model repository, and the python backend with the stub that is made for this interpreter."""
        root = pathlib.Path(pytriton.__file__).parent / "tritonserver"
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        shutil.copytree(root / "backends", folder / "backends")
        shutil.copy(root / "python_backend_stubs" / version / "triton_python_backend_stub", folder / "backends/python")
        model = folder / "repository" / "photos"
        (model / "1").mkdir(parents=True)
        shutil.copy(HERE / "triton_model.py", model / "1" / "model.py")
        config = (HERE / "triton_config.pbtxt").read_text()
        (model / "config.pbtxt").write_text(config.replace("PROCESSES", self._processes))
        self._environment["PEER_PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, sys.path)])
        self._environment["LD_LIBRARY_PATH"] = str(root.parents[1] / "nvidia_pytriton.libs")
        self._port = free_port()
        return [root / "bin" / "tritonserver", f"--model-repository={model.parent}",
                f"--backend-directory={folder / 'backends'}", "--http-address=127.0.0.1",
                f"--http-port={free_port()}", "--grpc-address=127.0.0.1", f"--grpc-port={self._port}",
                "--allow-metrics=false", "--disable-auto-complete-config"]

    def connect(self):
        client = tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{self._port}", channel_args=[
            ("grpc.use_local_subchannel_pool", 1)])

        def ask(photo):
            tensor = tritonclient.grpc.InferInput("PHOTO", [1, 1], "BYTES")
            tensor.set_data_from_numpy(np.array([[photo]], dtype=object))
            return int(client.infer("photos", [tensor], client_timeout=60).as_numpy("CLASS")[0, 0])

        return ask


class Mosec(Peer):
    program = "mosec"

    def prepare(self, folder):
        self._port = free_port()
        return [sys.executable, HERE / "mosec_server.py", "--address", "127.0.0.1", "--port", str(self._port),
                "--timeout", "60000", "--path", folder / "socket"]

    def connect(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)

        def ask(photo):
            connection.request("POST", "/inference", photo)
            with connection.getresponse() as response:
                answer = response.read()
            if response.status != 200:
                raise RuntimeError(f"{response.status}: {answer[:200]}")
            return json.loads(answer)[0][0]

        return ask
