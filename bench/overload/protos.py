"""The stubs of our .proto files, made at import."""

import pathlib
import sys

import grpc

# grpcio looks for .proto files where Python looks for modules.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "proto"))
messages, services = grpc.protos_and_services("patchserve/v1/classification.proto")
