"""The stacks of a campaign as one tree, for viewers."""

import copy
import io
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rubinprof.campaign.stack_tree import StackTree, levels
from rubinprof.metrics import METRICS

__all__ = ["FORMATS", "Flame", "page_trees"]

PAGE_NODES = 30_000
"""Of all call trees of a page together: some 600 KB of it."""
ALL = ("[all]", "", 0, "", "python")
FOLDED = ("[smaller frames]", "", 0, "", "python")
FORMATS = ("collapsed", "speedscope", "pprof")
MEASURED = ("cpu", "allocated", "peak")
"""Columns of METRICS that a store has. The peak is what each quantum held above its begin when it held most, summed over quanta."""


class Flame:
    """Sums of the stacks that were kept of quanta: unbiased estimates.

    Parameters
    ----------
    name : `str`
        What it is of.
    tree : `StackTree`
        The paths of the store.
    parts : `~collections.abc.Iterable` [`tuple`]
        What stands outside (or `None`), paths, and the figures of `MEASURED` of each path, as arrays.

    Attributes
    ----------
    parent, frame : `list` [`int`]
        By node; a parent comes before what it called. Node 0 is all.
    frames : `list` [`tuple`]
        Function, file, line, module and kind.
    figures : `dict` [`str`, `list` [`int`]]
        By column of `MEASURED`, each node's own.
    """

    def __init__(self, name: str, tree: StackTree, parts: Iterable[tuple[Any, np.ndarray, Sequence[np.ndarray]]]):
        self.name = name
        self.frames: list[tuple] = [ALL, *tree.frames]
        parent, frame = [np.array([-1])], [np.array([0])]
        figures: dict[str, list[np.ndarray]] = {column: [np.zeros(1, np.int64)] for column in MEASURED}
        count = 1
        for outside, paths, own in parts:
            nodes = tree.nodes(paths)
            used = tree.closure(nodes)  # its first, node 0, becomes what stands outside
            place = np.zeros(len(tree.parent), np.int64)
            place[used] = np.arange(len(used)) + count - (outside is None)
            if outside is None:
                place[0] = 0
            else:
                self.frames.append((str(outside), "", 0, "", "python"))
                parent.append(np.array([0]))
                frame.append(np.array([len(self.frames) - 1]))
            parent.append(place[tree.parent[used[1:]]])
            frame.append(tree.frame[used[1:]] + 1)
            begin = count
            count += len(used) - (outside is None)
            for column, values in zip(MEASURED, own, strict=True):
                sums = np.zeros(count, np.int64)
                np.add.at(sums, place[nodes], values)
                figures[column][0][0] += sums[0]
                figures[column].append(sums[begin:])
        self.parent: list[int] = np.concatenate(parent).tolist()
        self.frame: list[int] = np.concatenate(frame).tolist()
        self.figures = {column: np.concatenate(values).tolist() for column, values in figures.items()}

    def stacks(self, metric: str = "cpu") -> list[tuple[tuple[str, ...], int]]:
        """Functions of each stack, outermost first, and its own figure in ns or bytes."""
        found = []
        for node, figure in enumerate(self.figures[metric]):
            names, above = [], node
            while above > 0:
                names.append(self.frames[self.frame[above]][0])
                above = self.parent[above]
            if figure:
                found.append((tuple(reversed(names)), figure))
        return found

    def export(self, path: str | os.PathLike[str], format: str = "collapsed", metric: str = "cpu") -> None:
        """Write a file for a viewer.

        Parameters
        ----------
        path : `str` or `os.PathLike`
            Where.
        format : `str`, optional
            A word of `FORMATS`.
        metric : `str`, optional
            Of collapsed stacks: ``"cpu"``, ``"allocated"`` or ``"peak"``.

        Raises
        ------
        ValueError
            Raised for another format or metric.
        """
        if format not in FORMATS:
            raise ValueError(f"a campaign has no format {format!r}; choose {', '.join(FORMATS)}")
        if metric not in MEASURED:
            raise ValueError(f"stacks of a campaign have no {metric!r}; choose {', '.join(MEASURED)}")
        out = io.BytesIO()
        if format == "collapsed":
            lines = sorted(f"{';'.join(name.replace(';', ':') for name in names)} {figure}" for names, figure in self.stacks(metric))
            out.write("".join(f"{line}\n" for line in lines).encode())
        else:
            from rubinprof.exports import Options, exporter

            exporter(format).write(self, out, Options())
        with open(path, "wb") as file:
            file.write(out.getvalue())

    def _json(self, report: str, **options: Any) -> dict[str, Any]:
        """What the exports of traces ask for: the tree in columns, in depth-first pre-order."""
        if report == "slices":  # stacks that were kept have no order of time
            return {"least_s": 0.0, "slices": dict.fromkeys(("begin", "took", "depth", "frame", "times"), []), "frames": [], "threads": []}
        forest = _Forest()
        nodes = forest.add(self)
        return {"meta": {"command": f"campaign {self.name}", "start_s": 0, "wall_s": 0}, **forest.names(), "nodes": nodes}

    def thinned(self, nodes_most: int) -> "Flame":
        """Another one of the nodes that are largest by any figure with what they called; the others count as frames of their callers."""
        parent, own = np.array(self.parent), {column: np.array(values, np.int64) for column, values in self.figures.items()}
        by_depth = list(levels(parent))
        shares = np.zeros(len(parent))
        for values in own.values():
            total = values.astype(float)
            for nodes in reversed(by_depth[1:]):
                np.add.at(total, parent[nodes], total[nodes])
            shares = np.maximum(shares, total / total[0] if total[0] else 0.0)
        least = np.partition(shares, -nodes_most - 1)[-nodes_most - 1] if len(shares) > nodes_most else -1.0
        is_kept = shares > least
        is_kept[0] = True
        # What is left out goes to the innermost that is kept above it.
        to = np.arange(len(parent))
        for nodes in by_depth[1:]:
            to[nodes] = np.where(is_kept[nodes], nodes, to[parent[nodes]])
        kept = np.flatnonzero(is_kept)
        folded = {column: np.zeros(len(parent), np.int64) for column in own}
        for column, values in own.items():
            np.add.at(folded[column], to[~is_kept], values[~is_kept])
        above = np.flatnonzero(np.any([values != 0 for values in folded.values()], axis=0))
        place = np.zeros(len(parent), np.int64)
        place[kept] = np.arange(len(kept))
        made = copy.copy(self)
        made.frames = [*self.frames, FOLDED]
        made.parent = [-1, *place[parent[kept[1:]]].tolist(), *place[above].tolist()]
        made.frame = [*np.array(self.frame)[kept].tolist(), *[len(self.frames)] * len(above)]
        made.figures = {column: [*values[kept].tolist(), *folded[column][above].tolist()] for column, values in own.items()}
        return made


class _Forest:
    """Trees over one list of frames, in columns as the report "flame" has them."""

    def __init__(self) -> None:
        self.strings = {"": 0}
        self.frames: dict[tuple, int] = {}

    def add(self, flame: Flame) -> dict[str, Any]:
        """The columns of a tree's nodes, in depth-first pre-order."""
        children: list[list[int]] = [[] for _ in flame.parent]
        for node in range(len(children) - 1, 0, -1):
            children[flame.parent[node]].append(node)
        order, left = [], [0]
        while left:
            order.append(node := left.pop())
            left += children[node]
        place = {node: i for i, node in enumerate(order)}
        nodes: dict[str, Any] = {
            "parent": [place.get(flame.parent[node], -1) for node in order],
            "frame": [self.frames.setdefault(flame.frames[flame.frame[node]], len(self.frames)) for node in order],
        }
        nodes |= {metric.column: None for metric in METRICS.values()}
        return nodes | {column: [values[node] for node in order] for column, values in flame.figures.items()}

    def names(self) -> dict[str, Any]:
        """``strings`` and ``frames`` of all trees."""

        def text(value: str) -> int:
            return self.strings.setdefault(value, len(self.strings))

        columns = {
            "name": [text(frame[0]) for frame in self.frames], "file": [text(frame[1]) for frame in self.frames], "module": [text(frame[3]) for frame in self.frames],
            "line": [frame[2] for frame in self.frames], "kind": [0 if frame[4] == "python" else 1 for frame in self.frames],
        }  # fmt: skip
        return {"strings": list(self.strings), "frames": columns}


def page_trees(flames: dict[str, Flame], nodes_most: int = PAGE_NODES) -> dict[str, Any] | None:
    """Call trees for the page of a campaign.

    Parameters
    ----------
    flames : `dict` [`str`, `Flame`]
        By task; that of the whole campaign under "".
    nodes_most : `int`, optional
        Nodes of all trees together, frames for what was folded not counted; each tree has the same share.

    Returns
    -------
    trees : `dict` or `None`
        ``strings``, ``frames``, and ``trees``: columns of nodes by task. `None` where no stack was kept.
    """
    flames = {task: flame for task, flame in flames.items() if len(flame.parent) > 1}
    if not flames:
        return None
    forest = _Forest()
    trees = {task: forest.add(flame.thinned(nodes_most // len(flames))) for task, flame in flames.items()}
    return {**forest.names(), "trees": trees}
