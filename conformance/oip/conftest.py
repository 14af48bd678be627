"""What the tests of the clients share: one running server with the bundled models, and photos."""

import pathlib
import sys
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "bench"), str(ROOT / "bench" / "overload")]

from live_server import Metrics  # noqa: E402
from server import Server  # noqa: E402


class MeteredServer(Server):
    def metrics(self):
        with urllib.request.urlopen(f"http://{self.metrics_address}/metrics", timeout=30) as answer:
            return Metrics(answer.read().decode())


def pytest_addoption(parser):
    parser.addoption("--build", type=pathlib.Path, default=ROOT / "build")


@pytest.fixture(scope="session")
def build(request):
    return request.config.getoption("build")


@pytest.fixture(scope="session")
def server(build):
    flags = f"--models={ROOT / 'models'}", "--triton_metrics", "--repository_control"
    with MeteredServer(build / "bin" / "patchserve", *flags) as running:
        yield running


@pytest.fixture(scope="session")
def address(server):
    return server.address


@pytest.fixture(scope="session")
def images():
    """The folder of the test photos."""
    return ROOT / "tests" / "data" / "images"


@pytest.fixture(scope="session")
def photos(images):
    return [(images / f"{name}.jpg").read_bytes() for name in ("chelsea", "astronaut", "coffee")]
