#!/usr/bin/env python3
"""What is found in place of a checkpoint's files, and files whose sizes lie, as first inputs for the fuzzers.

  bad_checkpoints.py OUT     writes OUT/config/* and OUT/safetensors/*
"""

import json
import pathlib
import struct
import sys

MODEL = pathlib.Path(__file__).resolve().parents[1] / "data" / "models" / "vit"
OTHER_FILES = (b"", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 3251640\n",
               b"<!DOCTYPE html><html>Access denied</html>", b"PK\3\4" + bytes(30), b"\x80\2}q\0.", b"GGUF\3\0\0\0",
               b"\x89HDF\r\n\x1a\n", b"\xff\xfe{\0}\0", b"\xef\xbb\xbf{}", b"[" * 5000, b'{"a":' * 3000)
# Of every field of the configuration, one at a time.
VALUES = (None, True, -1, 0, 2**31, 2**63, 1e308, float("nan"), float("-inf"), "", "x" * 1000, [], [1], [[]], {}, {"0": 1})


def configs():
    config = json.loads((MODEL / "config.json").read_text())
    for parent in (config, config["model_args"], config["pretrained_cfg"]):
        for name, value in list(parent.items()):
            for other in VALUES:
                parent[name] = other
                yield json.dumps(config).encode()
            parent[name] = value
    for family in ({"model_type": "vit", "architectures": ["ViTForImageClassification"]}, {"torch_dtype": "float32"}):
        yield json.dumps(config | family).encode()
    text = json.dumps(config).encode()
    yield text[:-20]
    yield text.replace(b":", b":,", 1)


def safetensors():
    file = (MODEL / "model.safetensors").read_bytes()
    length = struct.unpack("<Q", file[:8])[0]
    header, data = json.loads(file[8:8 + length]), file[8 + length:]
    for size in (0, 1, length - 1, length + 1, len(file), 2**31, 2**63, 2**64 - 1):
        yield struct.pack("<Q", size) + file[8:]
    name = next(name for name in header if name != "__metadata__")
    for offsets in ([0, 0], [4, 0], [-4, 0], [0, 2**40], [2**62, 2**63], [0], []):
        yield _written({name: header[name] | {"data_offsets": offsets}}, data)
    for shape in ([0], [-1], [2**32, 2**32], [2**63], [1] * 100, []):
        yield _written({name: header[name] | {"shape": shape}}, data)
    for kind in ("", "F8_E4M3", "I64", "BOOL", 7):
        yield _written({name: header[name] | {"dtype": kind}}, data)
    yield _written({f"module.{name}": entry for name, entry in header.items() if name != "__metadata__"}, data)
    yield file[:8 + length]


def _written(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def main():
    for folder, files in (("config", configs()), ("safetensors", safetensors())):
        out = pathlib.Path(sys.argv[1]) / folder
        out.mkdir(parents=True, exist_ok=True)
        for number, file in enumerate([*OTHER_FILES, *files]):
            (out / f"{number:04}").write_bytes(file)


if __name__ == "__main__":
    main()
