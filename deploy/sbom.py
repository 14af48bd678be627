#!/usr/bin/env python3
"""Prints the image's software bill of materials: SPDX 2.3 as JSON.

usage: sbom.py PACKAGES DEPS cpu|cuda PINS
  PACKAGES  a file of the names of Debian packages, installed here, a line each
  DEPS      where LibTorch and OpenCV are installed
  PINS      tools/pins: what was downloaded from PyPI, and its hashes

SOURCE_DATE_EPOCH, if set, is the time that it gives.
"""

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

CMAKE = pathlib.Path(__file__).parent.parent / "CMakeLists.txt"
VERSION = re.search(r"VERSION ([0-9.]+)", CMAKE.read_text().partition("project(")[2]).group(1)
# Compiled in: there is no file of theirs in the image.
HEADERS = ["nlohmann-json3-dev"]
LICENCES = {"torch": "BSD-3-Clause", "opencv": "Apache-2.0", "nvidia-cutlass": "BSD-3-Clause"}


def package(name, version, purl, supplier="NOASSERTION", licence="NOASSERTION", sha256=None):
    item = {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name),
        "name": name,
        "versionInfo": version,
        "supplier": supplier,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": licence,
        "copyrightText": "NOASSERTION",
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}],
    }
    if sha256:
        item["checksums"] = [{"algorithm": "SHA256", "checksumValue": sha256}]
    return item


def debian(names):
    shown = "${Package}\t${Version}\t${Architecture}\n"
    found = subprocess.run(["dpkg-query", "-W", "-f", shown, *names], check=True, capture_output=True, text=True).stdout
    for line in sorted(set(found.splitlines())):
        name, version, architecture = line.split("\t")
        purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={architecture}&distro=debian-12"
        yield package(name, version, purl, supplier="Organization: Debian")


def pinned(path):
    """(name, version, sha256) of every line of a file of pins."""
    return re.findall(r"^([\w-]+)==(\S+) --hash=sha256:(\w+)", path.read_text(), re.M)


def downloaded(pins, flavour):
    for name, version, sha256 in pinned(pins / f"libtorch-{flavour}.txt"):
        shown = {"torch": "LibTorch"}.get(name, name)
        licence = LICENCES.get(name, "LicenseRef-NVIDIA")
        yield package(shown, version, f"pkg:pypi/{name}@{version}", licence=licence, sha256=sha256)
    if flavour == "cuda":  # headers, compiled into libpatchserve_cuda.so
        for name, version, sha256 in pinned(pins / "cuda-compiler.txt"):
            if name == "nvidia-cutlass":
                yield package("CUTLASS", version, f"pkg:pypi/{name}@{version}", licence=LICENCES[name], sha256=sha256)
    for name, version, sha256 in pinned(pins / "opencv.txt"):
        yield package("OpenCV", version, f"pkg:pypi/{name}@{version}", licence=LICENCES["opencv"], sha256=sha256)
    # In the wheel of torch.
    yield package("libgomp", "of LibTorch's wheel", "pkg:generic/libgomp", licence="GPL-3.0-or-later WITH GCC-exception-3.1")


def main():
    packages, deps, flavour, pins = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
    for name, version, _ in pinned(pins / f"libtorch-{flavour}.txt"):
        if not list(deps.glob(f"libtorch-*-{flavour}/{name.replace('-', '_')}-{version}.dist-info")):
            sys.exit(f"{name} {version} isn't what is installed in {deps}")
    own = package("patchserve", VERSION, f"pkg:generic/patchserve@{VERSION}", licence="Apache-2.0")
    parts = [*debian([*open(packages, encoding="utf-8").read().split(), *HEADERS]), *downloaded(pins, flavour)]
    created = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH") or datetime.datetime.now().timestamp()),
                                              datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    relationships = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": own["SPDXID"]}]
    relationships += [{"spdxElementId": own["SPDXID"], "relationshipType": "DEPENDS_ON", "relatedSpdxElement": part["SPDXID"]}
                      for part in parts]
    json.dump({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"patchserve-{VERSION}-{flavour}",
        "documentNamespace": f"https://spdx.org/spdxdocs/patchserve-{VERSION}-{flavour}-{created}",
        "creationInfo": {"created": created, "creators": ["Tool: patchserve-deploy-sbom.py"]},
        "packages": [own, *parts],
        "relationships": relationships,
        "hasExtractedLicensingInfos": [{
            "licenseId": "LicenseRef-NVIDIA",
            "extractedText": "NVIDIA's licence, in /usr/share/doc of the image, beside each of its packages",
        }],
    }, sys.stdout, indent=1)


main()
