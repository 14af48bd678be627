"""The seconds that a run of check.py may take, and how they are shared out."""

import contextlib
import signal

SECONDS = 235
START = 18  # Python's packages and the checkpoints

# In the order in which they run, with the seconds that each is estimated, not measured, to take on an H100 with 16 cores.
CHAPTERS = {
    "kernels": 25,
    "parity": 38,
    "failures": 38,
    "speed": 45,
    "served": 41,
    "mosec": 20,
    "compile": 10,
    "sanitizer": 30,
}


class Overrun(Exception):
    """A chapter took longer than it may."""


def allowed(chapter, left):
    """The seconds after which a chapter is cut off, so that one that hangs leaves time to the others."""
    return min(2 * CHAPTERS[chapter], left)


@contextlib.contextmanager
def at_most(seconds, first):
    """After so many seconds (> 0), calls `first` and raises Overrun in the block, whatever it waits for. Main thread only."""
    def overrun(*_):
        first()
        raise Overrun(f"cut off after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, overrun)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
