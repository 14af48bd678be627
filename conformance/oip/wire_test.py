"""Every field, method and enum value of our .proto is that of Triton's client: name, number and type."""

import pathlib

from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from tritonclient.grpc import model_config_pb2, service_pb2

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


class Wire:
    """What files define, by full name."""

    def __init__(self, *files):
        self.fields, self.values, self.methods = {}, {}, {}
        for file in files:
            for message in file.message_type:
                self._add_message(message, message.name)
            for enum in file.enum_type:
                self._add_enum(enum, enum.name)
            for service in file.service:
                for method in service.method:
                    self.methods[f"{service.name}/{method.name}"] = (
                        method.input_type, method.output_type, method.client_streaming, method.server_streaming)

    def _add_message(self, message, name):
        for field in message.field:
            self.fields[f"{name}.{field.name}"] = (field.number, field.type, field.label, field.type_name)
        for enum in message.enum_type:
            self._add_enum(enum, f"{name}.{enum.name}")
        for nested in message.nested_type:
            self._add_message(nested, f"{name}.{nested.name}")

    def _add_enum(self, enum, name):
        for value in enum.value:
            self.values[f"{name}.{value.name}"] = value.number


def ours(tmp_path):
    # Not imported: one process can't have two definitions of a message.
    out = tmp_path / "descriptors"
    assert protoc.main(["", f"-I{PROTO}", f"--descriptor_set_out={out}", "inference/grpc_service.proto"]) == 0
    return Wire(*descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file)


def theirs():
    files = []
    for module in (service_pb2, model_config_pb2):
        files.append(descriptor_pb2.FileDescriptorProto())
        module.DESCRIPTOR.CopyToProto(files[-1])
    return Wire(*files)


# Triton's answers to load and unload are empty.
KSERVES = ("RepositoryModelLoadResponse.", "RepositoryModelUnloadResponse.")


def differences(mine, there):
    return {name: (what, there.get(name)) for name, what in mine.items()
            if there.get(name) != what and not name.startswith(KSERVES)}


def test_our_fields_are_theirs(tmp_path):
    assert differences(ours(tmp_path).fields, theirs().fields) == {}


def test_our_enum_values_are_theirs(tmp_path):
    assert differences(ours(tmp_path).values, theirs().values) == {}


def test_our_methods_are_theirs(tmp_path):
    assert differences(ours(tmp_path).methods, theirs().methods) == {}
