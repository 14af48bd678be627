"""docs/robustness.md, from what run.py measured."""

import platform

import fuzz
from attack import GIVEN_BACK_S, WITHIN_S

TITLES = {"images": "Image files", "packed": "Messages", "floods": "Frames of HTTP/2", "connections": "Connections",
          "garbage": "Bytes without a sense", "tls-connections": "Connections, with TLS", "tls-garbage": "Bytes without a sense, with TLS"}

HEAD = """\
# Hostile clients

What clients send that is damaged, huge, or meant to do harm; what comes back; and whether the server still serves. Written by
`make bench-robustness` on {date}, {machine}: the server on one core with its default limits and the bundled models, the clients on another.

{summary}

"Memory" is the most that the process had (VmHWM) beyond what it had before the attack, and in brackets what it had up to {given_back} s afterwards, in
MB. A normal client sends a photo every 50 ms meanwhile: its slowest answer is in "meanwhile" (a Python program sends both, so some of that is the
client's). "After" is how long a new client waits for its first answer once the attack is over: the goal is {within} s.
"""

LIMITS = """\
## What this shows, and what holds it back

- A connection is ended that opens twice as many calls as `--max_streams`, resets most of its calls at once, or holds most where open calls
  and unread answers take more than half of `--max_grpc_memory`. gRPC reads on until that is noticed. What helps further is a proxy that
  ends HTTP/2 in front of the port, or `--max_connections_per_peer` and `--max_streams` as low as the callers allow.
- Images and messages keep to their limits: `--max_image_pixels` times up to 11 bytes a decoding thread, and `--max_grpc_memory`.
"""


def write(data):
    rows = [row for group in TITLES for row in data.get("attacks", {}).get(group, {"rows": []})["rows"]]
    parts = [HEAD.format(date=data["date"], machine=data["machine"], within=WITHIN_S, given_back=GIVEN_BACK_S, summary=_summary(data, rows))]
    for group, title in TITLES.items():
        if group in data.get("attacks", {}):
            parts.append(f"## {title}\n\n{_table(data['attacks'][group]['rows'])}")
    if "fuzz" in data:
        parts.append(_fuzz(data["fuzz"]))
    if "soak" in data:
        parts.append(_soak(data["soak"]))
    parts.append(LIMITS)
    return "\n".join(parts)


def machine():
    with open("/proc/cpuinfo") as cpus:
        model = next(line.partition(":")[2].strip() for line in cpus if line.startswith("model name"))
    return f"{model}, Linux {platform.release().split('-')[0]}"


def _summary(data, rows):
    codes = sorted({group["exit_code"] for group in data.get("attacks", {}).values()})
    late = [row["kind"] for row in rows if not row["good"]]
    failed = [row["kind"] for row in rows if any(name.startswith("meanwhile") for name in row["problems"])]
    lines = [f"- {len(rows)} attacks. Crashes: {sum(code != 0 for code in codes)}. "
             f"A new client was answered within {WITHIN_S} s after each{' but these: **' + ', '.join(late) + '**' if late else ''}."]
    lines.append("- Meanwhile the normal client was answered within 30 s every time" +
                 (" but in these: **" + ", ".join(failed) + "**." if failed else "."))
    most = sorted(rows, key=lambda row: row["warm_mb"] - row["peak_mb"])[:4]
    lines.append("- The most memory: " + "; ".join(f"{row['kind']}, {row['peak_mb'] - row['warm_mb']:,.0f} MB" for row in most) + ".")
    return "\n".join(lines)


def _table(rows):
    lines = ["| what | sent | came back | s | memory | meanwhile, ms | after, ms |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        answers = ", ".join(f"{count:,} {answer}" for answer, count in sorted(row["answers"].items(), key=lambda pair: -pair[1]))
        for problem, count in row["problems"].items():
            answers += f"; **{count} normal requests {problem}**"
        after = "never" if row["after_s"] is None else f"{row['after_s'] * 1e3:,.0f}"
        lines.append(f"| {row['kind']} | {row['sent']} | {answers} | {row['seconds']:.0f} | {row['peak_mb'] - row['warm_mb']:+,.0f} "
                     f"({row['rss_mb'] - row['warm_mb']:+,.0f}) | {row['meanwhile_s'] * 1e3:,.0f} | "
                     f"{after if row['good'] else f'**{after}**'} |")
    return "\n".join(lines) + "\n"


def _fuzz(figures):
    lines = ["## Fuzzers\n", "libFuzzer with the address sanitizer, from the test data and the bad files of this page (`make fuzz`).\n",
             "| target | inputs | findings | memory, MB |", "|---|---|---|---|"]
    for name, target in figures.items():
        lines.append(f"| {fuzz.READS[name]} | {target['runs']:,} | {'**found**' if target['found'] else 0} | {target['peak_mb']} |")
    return "\n".join(lines) + "\n"


def _soak(soak):
    first, last = soak["rss_mb"]["0.1"], soak["rss_mb"]["1.0"]
    even = not soak["different"] and not soak["lost"]
    lines = ["## Soak\n",
             f"{soak['requests']:,} requests in {soak['seconds'] / 60:.1f} minutes: two models by stream with photos, three files in "
             f"ten of them bad, and one request in a hundred with 0.3 ms to its deadline; calls of a third model that are cancelled or whose deadline passes; "
             f"{soak['swaps']} replacements of the three through repository control.\n",
             "| | measured | goal |", "|---|---|---|",
             f"| requests by stream whose count differs between client and server, by code | {'0' if even else soak['different']} | 0 |",
             f"| lost; answered twice | {soak['lost']}; {soak['twice']} | 0; 0 |",
             f"| memory after the first tenth, and at the end | {first:.0f} MB, {last:.0f} MB ({last / first - 1:+.1%}) | within 5 % |",
             f"| exit code after SIGTERM | {soak['exit_code']} | 0 |"]
    lines += [f"| answers of `{model}` | {_counts(codes)} | |" for model, codes in soak["codes"].items()]
    lines.append(f"| `given_up`, by the server's count | {_counts(soak['given_up_at_server'])} | |")
    return "\n".join(lines) + "\n"


def _counts(codes):
    return ", ".join(f"{count:,} {code}" for code, count in sorted(codes.items()) if count)
