"""Line plots as SVG files, for the pages under docs/. Needs matplotlib."""

import matplotlib

matplotlib.use("svg")
# The same numbers give the same file: a diff shows what changed.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "patchserve", "font.size": 9,
                            "axes.grid": True, "grid.alpha": 0.3, "axes.spines.top": False,
                            "axes.spines.right": False})
import matplotlib.pyplot as plt  # noqa: E402  (after the choice of backend)


def lines(path, panels, columns=3, x_label="", y_label="", x_log=False, y_log=False, y_from_zero=True,
          own_legends=False):
    """One picture of several panels, each {"title": str, "series": {name: [(x, y), ...]}}.

    A name has the same colour in every panel; the legend stands once, below. With own_legends each
    panel has its own, and its own colours: for panels that show different things.
    """
    names = list(dict.fromkeys(name for panel in panels for name in panel["series"]))
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.4 * columns, 2.6 * rows + 0.5), squeeze=False)
    for axis in axes.flat[len(panels):]:
        axis.set_visible(False)
    for axis, panel in zip(axes.flat, panels):
        if own_legends:
            names = list(panel["series"])
        for name, points in panel["series"].items():
            axis.plot(*zip(*points), marker="" if own_legends else ".", color=f"C{names.index(name) % 10}", label=name)
        axis.set(title=panel["title"], xlabel=x_label, ylabel=y_label)
        axis.set_xscale("log" if x_log else "linear")
        axis.set_yscale("log" if y_log else "linear")
        if y_from_zero and not y_log:
            axis.set_ylim(bottom=0)
        if own_legends:
            axis.legend(fontsize=6)
    below = 0 if own_legends else 0.5 / (2.6 * rows + 0.5)
    figure.tight_layout(rect=(0, below, 1, 1))
    if not own_legends:
        handles = {h.get_label(): h for axis in axes.flat for h in axis.get_lines()}
        figure.legend(handles.values(), handles.keys(), loc="lower center", ncol=min(6, len(handles)), frameon=False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
