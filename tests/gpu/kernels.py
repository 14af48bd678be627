"""The kernels by themselves: every one in every shape beside LibTorch in a higher precision, and what they take."""

import json
import shutil
import subprocess

# CUTLASS's main loop isn't ours, and racecheck doesn't follow its asynchronous copies.
SANITIZERS = {"memcheck": (), "racecheck": ("depthwise", "norm", "gather")}


def run(check):
    if check.device == "cpu":
        check.row("kernels", result="need a GPU")
        return
    done = subprocess.run([str(check.bin / "kernel_check")], capture_output=True, text=True, timeout=check.seconds(90))
    for line in done.stdout.splitlines():
        check.row("kernels", **json.loads(line))
    if done.returncode:
        check.fails(f"kernel_check: exit {done.returncode}: {done.stderr[-2000:]}")


def sanitized(check):
    """One shape of each kernel under compute-sanitizer, where the machine has it."""
    if check.device == "cpu" or not shutil.which("compute-sanitizer"):
        check.row("sanitizer", result="compute-sanitizer isn't here")
        return
    for tool, kernels in SANITIZERS.items():
        done = subprocess.run(["compute-sanitizer", f"--tool={tool}", "--error-exitcode=9", str(check.bin / "kernel_check"),
                               "--few", *kernels], capture_output=True, text=True,
                              timeout=check.seconds(60))
        refused = "Device not supported" in done.stdout + done.stderr
        check.row("sanitizer", tool=tool, kernels=kernels or "all",
                  result="doesn't work on this machine" if refused else f"exit {done.returncode}")
        if done.returncode and not refused:
            check.fails(f"{tool}: {(done.stdout + done.stderr)[-2000:]}")
