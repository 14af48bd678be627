#!/usr/bin/env python3
"""The image's SBOM is valid SPDX 2.3, and names what the image has; NOTICE names what the SBOM does.

usage: check_sbom.py ROOT cpu|cuda
"""

import json
import pathlib
import re
import sys

from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

root, flavour = pathlib.Path(sys.argv[1]), sys.argv[2]
path = root / "usr/share/sbom/patchserve.spdx.json"
faults = [f.validation_message for f in validate_full_spdx_document(parse_file(str(path)))]
names = {package["name"] for package in json.loads(path.read_text())["packages"]}
wanted = {"patchserve", "LibTorch", "OpenCV", "libgomp", "nvidia-cuda-runtime", "nvidia-cuda-cupti"}
if flavour == "cuda":
    wanted |= {"CUTLASS", "nvidia-cublas", "nvidia-cudnn-cu13", "nvidia-nvjitlink"}
wanted |= {file.name for file in (root / "var/lib/dpkg/status.d").iterdir()}
faults += [f"{name} isn't named" for name in sorted(wanted - names)]
notice = set(re.findall(r"[\w.+-]*\w\+*", (root / "usr/share/doc/patchserve/NOTICE").read_text()))
faults += [f"{name} isn't in NOTICE" for name in sorted(names - notice)]
print(f"SBOM: {len(names)} packages", *faults, sep="\n")
sys.exit(1 if faults else 0)
