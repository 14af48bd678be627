#!/usr/bin/python3
"""Fetches the source archive of a package, and runs and installs nothing of it: `pip download` would build its metadata, for
which it installs the newest of what the package builds with, by no hash.

usage: fetch_sdist.py PINS FOLDER

PINS has one line, NAME==VERSION --hash=sha256:HASH. Where the archive is comes from pip itself (Debian 12's, 23.0), so that its
mirrors, certificates, proxies and logins hold. Prints the path of the archive; ends with 1, and leaves no file, if there is none
with that hash.
"""

import hashlib
import pathlib
import re
import sys

from pip._internal.commands import create_command


def pinned(text):
    """-> (name, version, hash)"""
    [pin] = re.findall(r"^([a-z0-9-]+)==([^ ]+) --hash=sha256:([0-9a-f]{64})$", text, re.M)
    return pin


def archives(name, version):
    """(file name, content) of each that pip finds."""
    command = create_command("download")
    options, _ = command.parse_args(["--quiet", f"--no-binary={name}"])
    with command.main_context():
        session = command.get_default_session(options)
        for candidate in command._build_package_finder(options, session).find_all_candidates(name):
            if str(candidate.version) == version:
                # Not unpacked on the way.
                answer = session.get(candidate.link.url_without_fragment, headers={"Accept-Encoding": "identity"})
                answer.raise_for_status()
                yield candidate.link.filename, answer.content


def main():
    pins, folder = sys.argv[1:]
    name, version, wanted = pinned(pathlib.Path(pins).read_text())
    found = []
    for file, content in archives(name, version):
        got = hashlib.sha256(content).hexdigest()
        if got == wanted:
            path = pathlib.Path(folder) / file
            path.write_bytes(content)
            print(path)
            return
        found.append(f"{file} with the hash {got}")
    sys.exit(f"{name} {version}, with the hash {wanted}, isn't there; found: {', '.join(found) or 'none'}")


if __name__ == "__main__":
    main()
