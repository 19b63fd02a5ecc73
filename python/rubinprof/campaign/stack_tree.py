"""The stacks of a store as one tree: which node each path is. Arrays all along: a campaign has hundreds of thousands of paths, and walking each to its root would take minutes."""

from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["StackTree", "levels"]


class StackTree:
    """Nodes of paths; those of one parent whose frames look the same to a reader (other builds of a function) are one.

    Parameters
    ----------
    path, parent : `numpy.ndarray`
        Keys of the store's ``paths``; 0 is above the outermost.
    frame : `numpy.ndarray`
        Of each path, its place in ``frames``.
    frames : `~collections.abc.Sequence` [`tuple`]
        What a reader sees of each frame.

    Attributes
    ----------
    parent, frame : `numpy.ndarray`
        By node; a parent comes before what it called. Node 0 is above all, its frame is -1.
    """

    def __init__(self, path: np.ndarray, parent: np.ndarray, frame: np.ndarray, frames: Sequence[tuple]):
        self.frames = list(dict.fromkeys(frames))
        place = {one: i for i, one in enumerate(self.frames)}
        frame = np.array([place[one] for one in frames], np.int64)[frame] if len(frames) else frame
        order = np.argsort(path, kind="stable")
        self._path, parent, frame = path[order], parent[order], frame[order]
        above = _places(self._path, parent)  # -1 where there is none
        self._node = np.zeros(len(path), np.int64)
        parents, of_frame, count = [np.array([-1])], [np.array([-1])], 1
        for rows in levels(above):
            of = np.where(above[rows] >= 0, self._node[above[rows]], 0)
            keys, numbers = np.unique(of * (len(self.frames) + 1) + frame[rows], return_inverse=True)
            self._node[rows] = count + numbers
            parents.append(keys // (len(self.frames) + 1))
            of_frame.append(keys % (len(self.frames) + 1))
            count += len(keys)
        self.parent, self.frame = np.concatenate(parents), np.concatenate(of_frame)

    def nodes(self, paths: np.ndarray) -> np.ndarray:
        """The node of each path; 0 for one that the store does not know."""
        places = _places(self._path, paths)
        return np.where(places >= 0, self._node[places], 0) if len(self._path) else np.zeros(len(paths), np.int64)

    def closure(self, nodes: np.ndarray) -> np.ndarray:
        """These nodes, all above them, and node 0, ascending."""
        used = np.zeros(len(self.parent), bool)
        used[0] = True
        while len(nodes):
            nodes = np.unique(nodes)
            nodes = nodes[~used[nodes]]
            used[nodes] = True
            nodes = self.parent[nodes]
        return np.flatnonzero(used)


def levels(parent: np.ndarray) -> Iterator[np.ndarray]:
    """Places by their depth, the outermost first; a negative parent is none."""
    depth, above = np.zeros(len(parent), np.int64), parent.copy()
    depth[above >= 0] = 1
    while (some := np.flatnonzero(above >= 0)).size:  # each round looks twice as far
        depth[some] += depth[above[some]]
        above[some] = above[above[some]]
        if depth.max(initial=0) > 2 * len(parent):
            raise ValueError("paths of the store go round in a circle")
    order = np.argsort(depth, kind="stable")
    bounds = np.searchsorted(depth[order], np.arange(depth.max(initial=-1) + 2))
    return (order[begin:end] for begin, end in zip(bounds, bounds[1:], strict=False))


def _places(ordered: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Where each key is among ascending ones; -1 where it is not."""
    if not len(ordered):
        return np.full(len(keys), -1)
    places = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    return np.where(ordered[places] == keys, places, -1)
