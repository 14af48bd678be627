#!/usr/bin/env python3
"""Prints, a line each, the sources that a build compiles, after the flags that Clang needs to parse them.

usage: compile_flags.py BUILD [--including=HEADER] [FILE ...]

  --including  only those that include that header, themselves or through others
  FILE         only these; without any, those of server/ and client/, and of the folder of HEADER
"""

import argparse
import functools
import json
import pathlib
import re
import shlex


@functools.cache
def included(file):
    """The headers of this tree that a file includes, and those that these include."""
    if not pathlib.Path(file).exists():  # of a library, or made by the build
        return frozenset()
    direct = re.findall(r'^#include "([^"]+)"', pathlib.Path(file).read_text(), re.MULTILINE)
    return frozenset(direct).union(*map(included, direct))


def flags(command):
    words = shlex.split(command)
    for word, following in zip(words, words[1:]):
        if word == "-isystem":
            yield from (word, following)
        elif word.startswith(("-I", "-D", "-std=", "-m")):
            yield word


parser = argparse.ArgumentParser()
parser.add_argument("build", type=pathlib.Path)
parser.add_argument("--including")
parser.add_argument("files", nargs="*")
arguments = parser.parse_args()
folders = {"server", "client", (arguments.including or "server").split("/")[0]}
for entry in json.loads((arguments.build / "compile_commands.json").read_text()):
    path = pathlib.Path(entry["file"])
    if path.suffix != ".cc" or not path.is_relative_to(pathlib.Path.cwd()):
        continue
    source = str(path.relative_to(pathlib.Path.cwd()))
    wanted = source in arguments.files if arguments.files else source.split("/")[0] in folders
    if wanted and (not arguments.including or arguments.including in included(source)):
        print(shlex.join([*flags(entry["command"]), source]))
