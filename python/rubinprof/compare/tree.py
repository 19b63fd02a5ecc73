"""Two call trees as one, in the columns of the report "flame", each figure twice."""

from typing import Any

from rubinprof.compare.difference import matcher_of
from rubinprof.compare.match import Matcher
from rubinprof.compare.side import Run
from rubinprof.metrics import METRICS

__all__ = ["diff_flame"]

COLUMNS = [metric.column for metric in METRICS.values()] + ["samples"]


def diff_flame(a: list[Run], b: list[Run]) -> dict[str, Any]:
    """Merge the trees of two sides, whose runs were read with ``want_flame=True``.

    Returns
    -------
    flame : `dict`
        ``strings`` and ``frames`` as in "flame"; ``nodes`` has ``parent``, ``frame``, and ``a`` and ``b``, each with the columns
        of figures (means over the runs of the side). Nodes are in depth-first pre-order; figures are self.
    """
    merged = _Merged(matcher_of(a, b))
    for side, runs in enumerate((a, b)):
        for run in runs:
            merged.add(run.flame, side, 1 / len(runs) if len(runs) > 1 else 1)
    return merged.columns()


class _Merged:
    def __init__(self, matcher: Matcher):
        self.matcher = matcher
        self.strings: dict[str, int] = {}
        self.frames: dict[tuple, int] = {}
        self.frame_rows: list[tuple] = []
        self.children: list[dict[int, int]] = [{}]  # by node: frame to node
        self.frame_of = [0]
        self.unknown: list[set[str]] = [set(), set()]  # by side: columns that a run of it does not know
        self.figures: list[list[list[float]]] = [[[0] for _ in COLUMNS] for _ in "ab"]  # by side, column, node

    def add(self, flame: dict[str, Any], side: int, weight: float) -> None:
        frames = self._frames(flame, side)
        nodes, children, frame_of = flame["nodes"], self.children, self.frame_of
        frame_of[0] = frames[nodes["frame"][0]]
        place = [0] * len(nodes["parent"])
        for i, (parent, frame) in enumerate(zip(nodes["parent"], nodes["frame"], strict=True)):
            if parent < 0:
                continue
            below, frame = children[place[parent]], frames[frame]
            node = below.get(frame)
            if node is None:
                node = below[frame] = len(children)
                children.append({})
                frame_of.append(frame)
            place[i] = node
        for column, name in enumerate(COLUMNS):
            for both in self.figures:
                both[column].extend([0] * (len(children) - len(both[column])))
            if nodes[name] is None or nodes[name][0] is None:
                self.unknown[side].add(name)
                continue
            into = self.figures[side][column]
            for node, value in zip(place, nodes[name], strict=True):
                if value:
                    into[node] += value * weight

    def _frames(self, flame: dict[str, Any], side: int) -> list[int]:
        """Frames of one run as places among the merged ones; the later run's file and line are kept."""
        strings, columns = flame["strings"], flame["frames"]
        rows = [
            {
                "function": strings[name], "file": strings[file], "module": strings[module], "line": line,
                "kind": "native" if kind else "python", "inlined": kind == 2,
            }
            for name, file, module, line, kind in zip(
                *(columns[key] for key in ("name", "file", "module", "line", "kind")), strict=True
            )
        ]  # fmt: skip
        places = []
        for key, row in zip(self.matcher.keys(rows, "function", side), rows, strict=True):
            kind = 0 if row["kind"] == "python" else 2 if row["inlined"] else 1
            made = (self._string(row["function"]), self._string(row["file"]), row["line"], kind, self._string(row["module"]))
            place = self.frames.setdefault(key, len(self.frame_rows))
            if place == len(self.frame_rows):
                self.frame_rows.append(made)
            else:
                self.frame_rows[place] = made
            places.append(place)
        return places

    def _string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.strings))

    def columns(self) -> dict[str, Any]:
        order, parents = self._pre_order()
        name, file, line, kind, module = (list(column) for column in zip(*self.frame_rows, strict=True))
        return {
            "strings": list(self.strings),
            "frames": {"name": name, "file": file, "line": line, "kind": kind, "module": module},
            "nodes": {
                "parent": parents,
                "frame": [self.frame_of[node] for node in order],
                **{
                    side: {
                        column: None if column in unknown else [round(values[node]) for node in order]
                        for column, values in zip(COLUMNS, figures, strict=True)
                    }
                    for side, figures, unknown in zip("ab", self.figures, self.unknown, strict=True)
                },
            },
        }

    def _pre_order(self) -> tuple[list[int], list[int]]:
        order, parents, stack = [], [], [(0, -1)]
        while stack:
            node, parent = stack.pop()
            stack.extend((child, len(order)) for child in reversed(self.children[node].values()))
            order.append(node)
            parents.append(parent)
        return order, parents
