"""What every scenario gets: where things are, how long to measure, and where results go."""

import pathlib
import re

from live_server import LiveServer
from loadgen import Loadgen, milliseconds


class Bench:
    def __init__(self, bin_folder, checkpoint, photo, seconds, rounds, stops):
        self.bin, self.checkpoint, self.photo = pathlib.Path(bin_folder), checkpoint, photo
        self.seconds = seconds  # of a measurement
        self.rounds = rounds  # of those that are repeated; what is shown is the median
        self.stops = stops  # by SIGTERM
        self.rows = []
        self.data = {}  # for the JSON file and the plot
        # Set by `capacity`, the first scenario:
        self.deadline = None  # seconds, of every request unless a scenario says otherwise
        self.capacity = None  # answers a second

    def server(self, *flags, models=("vit",)):
        return LiveServer(self.bin / "patchserve", *[f"--models={name}={self.checkpoint}" for name in models],
                          "--precision=float32", *flags)

    def load(self, server, *, seconds=None, warm_up=1.0, deadline=None, **flags):
        """Starts loadgen; its report() waits for the end."""
        return Loadgen(self.bin / "loadgen", server, flags.pop("photo", self.photo),
                       duration=milliseconds(seconds or self.seconds), warm_up=milliseconds(warm_up),
                       deadline=milliseconds(deadline or self.deadline), **flags)

    def heading(self, title):
        self._add(title, "", "", None)

    def row(self, what, measured, goal="", met=None):
        """A line of the table: `goal` is shown beside `measured`, `met` whether it was reached."""
        self._add(what, measured, goal, met)

    def _add(self, what, measured, goal, met):
        self.rows.append({"what": what, "measured": measured, "goal": goal, "met": met})
        if not measured:
            print(f"\n{what}", flush=True)
        else:
            print(f"  {what:52} {measured:42} {_verdict(goal, met)}", flush=True)

    def markdown(self):
        lines = []
        for row in self.rows:
            if not row["measured"]:
                lines += ["", f"**{row['what']}**", "", "| | measured | goal |", "|---|---|---|"]
            else:
                lines.append(f"| {row['what']} | {row['measured']} | {_verdict(row['goal'], row['met'])} |")
        return re.sub(r"\A\n+", "", "\n".join(lines)) + "\n"


def _verdict(goal, met):
    return goal if met is None else f"{goal}: {'yes' if met else 'NO'}"
