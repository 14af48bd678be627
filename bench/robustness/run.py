#!/usr/bin/env python3
"""Hostile clients against the live server, the fuzzers, and a soak: what was sent, what came of it, and whether the server serves after.

  make bench-robustness

The server is pinned to core 0, its clients to core 1. Exit code 1: the server crashed or didn't serve after an attack, or a
request of the soak was lost, answered twice or counted otherwise.
"""

import argparse
import datetime
import json
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / folder) for folder in ("bench", "bench/overload", "tests/fuzz")]

import connections  # noqa: E402
import floods  # noqa: E402
import fuzz  # noqa: E402
import garbage  # noqa: E402
import images  # noqa: E402
import packed  # noqa: E402
import page  # noqa: E402
import soak  # noqa: E402
from attack import Attacks, TlsAttacks  # noqa: E402
from live_server import CLIENT_CORE  # noqa: E402

ATTACKS = {"images": (Attacks, images.run), "packed": (Attacks, packed.run), "floods": (Attacks, floods.run),
           "connections": (Attacks, connections.run), "garbage": (Attacks, garbage.run),
           "tls-connections": (TlsAttacks, connections.run), "tls-garbage": (TlsAttacks, garbage.run)}
SCENARIOS = (*ATTACKS, "soak", "fuzz")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}; default: all")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "bin")
    parser.add_argument("--fuzz_bin", type=pathlib.Path, default=ROOT / "build-fuzz" / "bin")
    parser.add_argument("--fuzz_runs", type=int, help="of each target; 1,000,000 unless --quick")
    parser.add_argument("--requests", type=int, help="of the soak; 1,000,000 unless --quick")
    parser.add_argument("--quick", action="store_true", help="a tenth of it or less, without the fuzzers: does it work?")
    parser.add_argument("--json", type=pathlib.Path, help="keeps the figures of scenarios that aren't run this time")
    parser.add_argument("--markdown", type=pathlib.Path)
    args = parser.parse_args()
    if unknown := set(args.scenarios) - set(SCENARIOS):
        parser.error(f"no scenario is called {' or '.join(unknown)}")

    os.sched_setaffinity(0, {CLIENT_CORE})
    data = json.loads(args.json.read_text()) if args.json and args.json.exists() else {}
    data |= {"date": str(datetime.date.today()), "machine": page.machine()}
    for name in args.scenarios or (SCENARIOS[:-1] if args.quick else SCENARIOS):
        print(f"\n{name}", flush=True)
        if name == "fuzz":
            data[name] = fuzz.run(args.fuzz_bin, args.fuzz_runs or (20_000 if args.quick else 1_000_000))
        elif name == "soak":
            data[name] = soak.run(args.bin / "patchserve", args.requests or (20_000 if args.quick else 1_000_000))
            print(json.dumps(data[name], indent=1))
        else:
            kind, scenario = ATTACKS[name]
            with kind(args.bin / "patchserve", args.quick) as attacks:
                scenario(attacks)
                data.setdefault("attacks", {})[name] = {"rows": attacks.rows, "exit_code": attacks.end()}
        if args.json:
            args.json.write_text(json.dumps(data, indent=1) + "\n")
    if args.markdown:
        args.markdown.write_text(page.write(data))
    return 1 if harm(data) else 0


def harm(data):
    attacks, the_soak = data.get("attacks", {}).values(), data.get("soak")
    return (any(group["exit_code"] or any(row["after_s"] is None for row in group["rows"]) for group in attacks) or
            the_soak and (the_soak["exit_code"] or the_soak["different"] or the_soak["lost"] or the_soak["twice"]) or
            any(target["found"] for target in data.get("fuzz", {}).values()))


if __name__ == "__main__":
    sys.exit(main())
