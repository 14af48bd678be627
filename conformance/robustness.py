#!/usr/bin/env python3
"""Every file of Pillow's and Go's test images, whatever it is, sent to the server: each must be
answered with a result or INVALID_ARGUMENT, and the memory stays within what the limits allow
(report.py looks at both).

  robustness.py BINARIES OUT.json
"""

import collections
import concurrent.futures
import json
import pathlib
import re
import sys

import grpc

import asking
import sources


def peak_memory(pid):
    """The largest resident size so far, in MB."""
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) // 1024


def main():
    binaries, out = map(pathlib.Path, sys.argv[1:])
    paths = sources.pillow_images() + sources.go_images()
    with asking.serving(binaries, f"--models={sources.ROOT / 'models'}", "--decode_threads=2") as stub:

        def code_of(path):
            try:
                stub.Classify(asking.messages.ClassifyRequest(encoded=path.read_bytes()), timeout=120)
                return "OK"
            except grpc.RpcError as error:
                return error.code().name

        before = peak_memory(stub.pid)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            codes = collections.Counter(pool.map(code_of, paths))
        row = {"files": len(paths), "codes": codes, "memory_mb": [before, peak_memory(stub.pid)]}
    out.write_text(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
