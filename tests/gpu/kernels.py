"""The kernels by themselves: every one in every shape beside LibTorch in float32, and what they take."""

import json
import shutil
import subprocess


def run(check):
    for line in check.program("kernel_check", timeout=90).splitlines():
        check.row("kernels", **json.loads(line))


def sanitized(check):
    """One shape of each kernel under compute-sanitizer, where the machine has it."""
    if not shutil.which("compute-sanitizer"):
        check.row("sanitizer", result="compute-sanitizer isn't here")
        return
    for tool in ("memcheck", "racecheck"):
        done = subprocess.run(["compute-sanitizer", f"--tool={tool}", "--error-exitcode=9", str(check.bin / "kernel_check"),
                               "--few"], capture_output=True, text=True, timeout=60)
        refused = "Device not supported" in done.stdout + done.stderr
        check.row("sanitizer", tool=tool, result="doesn't work on this machine" if refused else f"exit {done.returncode}")
        if done.returncode and not refused:
            check.fails(f"{tool}: {(done.stdout + done.stderr)[-2000:]}")
