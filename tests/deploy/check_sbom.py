#!/usr/bin/env python3
"""The image's SBOM is valid SPDX 2.3, and names what the image has; NOTICE's tables name that and no more.

usage: check_sbom.py ROOT cpu|cuda
"""

import json
import pathlib
import re
import sys

from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document


def noticed(text, flavour):
    """The names in NOTICE's tables that are of the image of this flavour."""
    tables = re.split(r"^server/", text, maxsplit=1, flags=re.M)[0]
    if flavour == "cpu":
        tables = tables.partition("In the image for GPUs alone")[0]
    rows = re.findall(r"^  (\S.*)$", tables, re.M)
    # A row without a licence goes on in the next one.
    columns = [re.split(r" {2,}", row)[0] for row in rows]
    return {name.strip().split(" ")[0] for column in columns for name in column.rstrip(",").split(",")}


root, flavour = pathlib.Path(sys.argv[1]), sys.argv[2]
path = root / "usr/share/sbom/patchserve.spdx.json"
faults = [f.validation_message for f in validate_full_spdx_document(parse_file(str(path)))]
names = {package["name"] for package in json.loads(path.read_text())["packages"]}
wanted = {"patchserve", "LibTorch", "OpenCV", "libgomp", "nvidia-cuda-runtime", "nvidia-cuda-cupti"}
if flavour == "cuda":
    wanted |= {"CUTLASS", "nvidia-cublas", "nvidia-cudnn-cu13", "nvidia-nvjitlink"}
wanted |= {file.name for file in (root / "var/lib/dpkg/status.d").iterdir()}
faults += [f"{name} isn't named" for name in sorted(wanted - names)]
notice = noticed((root / "usr/share/doc/patchserve/NOTICE").read_text(), flavour)
faults += [f"{name} isn't in NOTICE" for name in sorted(names - notice - {"patchserve"})]
faults += [f"{name} of NOTICE isn't in the image" for name in sorted(notice - names)]
print(f"SBOM: {len(names)} packages", *faults, sep="\n")
sys.exit(1 if faults else 0)
