"""The stacks of a campaign as one tree, for viewers."""

import io
import os
from collections.abc import Iterable
from typing import Any

from rubinprof.metrics import METRICS

__all__ = ["FORMATS", "Flame", "page_trees"]

PAGE_NODES = 30_000
"""Of all call trees of a page together: some 600 KB of it."""
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
    rows : `list` [`tuple`]
        What stands outside (or `None`), path, and the figures of `MEASURED` of each stack.
    paths : `dict`
        By path: its parent, 0 for none, and function, file, line, module and kind of its frame.
    """

    def __init__(self, name: str, rows: list[tuple], paths: dict[int, tuple[int, list]]):
        self.name = name
        self.frames: list[tuple] = [("[all]", "", 0, "", "python")]
        self.parent, self.frame, self.figures = [-1], [0], {column: [0] for column in MEASURED}
        self._place_of: dict[tuple, int] = {}
        self._frame_of: dict[tuple, int] = {self.frames[0]: 0}
        for outside, path, *figures in rows:
            node = 0 if outside is None else self._child(0, (str(outside), "", 0, "", "python"))
            chain = []
            while path:
                path, frame = paths[path]
                chain.append(tuple(frame))
            for frame in reversed(chain):
                node = self._child(node, frame)
            for column, figure in zip(MEASURED, figures, strict=True):
                self.figures[column][node] += figure or 0

    def _child(self, node: int, frame: tuple) -> int:
        place = self._frame_of.setdefault(frame, len(self.frames))
        if place == len(self.frames):
            self.frames.append(frame)
        child = self._place_of.setdefault((node, place), len(self.parent))
        if child == len(self.parent):
            self.parent.append(node)
            self.frame.append(place)
            for column in self.figures.values():
                column.append(0)
        return child

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
        forest = _Forest()
        nodes = forest.add(self, range(len(self.parent)), self.figures)
        return {"meta": {"command": f"campaign {self.name}", "start_s": 0, "wall_s": 0}, **forest.names(), "nodes": nodes}

    def _thinned(self, nodes_most: int) -> tuple[list[int], dict[str, list[int]]]:
        """The nodes that are largest by any figure with what they called, and figures in which the others count as frames of their callers."""
        totals = {column: list(figures) for column, figures in self.figures.items()}
        for column in totals.values():
            for node in range(len(self.parent) - 1, 0, -1):  # a parent comes before its children
                column[self.parent[node]] += column[node]
        shares = [max(column[node] / column[0] if column[0] else 0.0 for column in totals.values()) for node in range(len(self.parent))]
        least = sorted(shares, reverse=True)[nodes_most] if len(shares) > nodes_most else -1.0
        kept = [node for node, share in enumerate(shares) if share > least or node == 0]
        is_kept, figures = set(kept), {column: list(values) for column, values in self.figures.items()}
        for node in range(len(self.parent) - 1, 0, -1):
            if node in is_kept:
                continue
            above = self.parent[node]
            to = self._child(above, FOLDED) if above in is_kept else above
            for column in figures.values():
                column += [0] * (len(self.parent) - len(column))
                column[to] += column[node]
                column[node] = 0
        folded = [node for node in range(len(shares), len(self.parent)) if any(column[node] for column in figures.values())]
        return kept + folded, figures


class _Forest:
    """Trees over one list of frames, in columns as the report "flame" has them."""

    def __init__(self) -> None:
        self.strings = {"": 0}
        self.frames: dict[tuple, int] = {}

    def add(self, flame: Flame, kept: Iterable[int], figures: dict[str, list[int]]) -> dict[str, Any]:
        """The columns of a tree's nodes, in depth-first pre-order."""
        children: dict[int, list[int]] = {node: [] for node in kept}
        for node in sorted(children, reverse=True):
            if node:
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
        return nodes | {column: [values[node] for node in order] for column, values in figures.items()}

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
    trees = {task: forest.add(flame, *flame._thinned(nodes_most // len(flames))) for task, flame in flames.items()}
    return {**forest.names(), "trees": trees}
