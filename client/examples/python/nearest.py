"""Finds the photos that look most like one of them, by the embeddings that `classify` wrote.

    pip install numpy
    classify --embedding=npy --to=photos photos/
    python client/examples/python/nearest.py photos photos/cat.jpg 5
"""

import pathlib
import sys

import numpy as np


def nearest(vectors, row, count):
    """(row, cosine) of the `count` others that are nearest to `row`, the nearest first."""
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosines = vectors @ vectors[row]
    order = np.argsort(-cosines, kind="stable")
    return [(other, cosines[other]) for other in order if other != row][:count]


def main(to, photo, count="5"):
    names = pathlib.Path(f"{to}.txt").read_text().split("\n")[:-1]
    if photo not in names:
        sys.exit(f"{photo} is not in {to}.txt")
    for row, cosine in nearest(np.load(f"{to}.npy"), names.index(photo), int(count)):
        print(f"{cosine:.4f}  {names[row]}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: nearest.py NAME PHOTO [COUNT]")
    main(*sys.argv[1:])
