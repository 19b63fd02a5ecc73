"""Regions as a tree: a row for all of one name below those of another, with their sums."""

import statistics
from typing import Any

from rubinprof.metrics import text_of
from rubinprof.reports.style import Column, Style, table, wrap

__all__ = ["render"]

TREND_FROM = 8  # regions: fewer have no trend
TREND_POINTS_MAX = 300


class _Group:
    def __init__(self, name: str, depth: int):
        self.name, self.depth = name, depth
        self.rows: list[dict[str, Any]] = []
        self.below: dict[str, _Group] = {}

    def figure(self, key: str) -> float | None:
        """The sum of times and of what leaked; the largest peak. `None` where one of them is not known."""
        values = [row.get(key) for row in self.rows]
        if any(value is None for value in values):
            return None
        return max(values) if key == "peak_bytes" else sum(values)


def render(rows: list[dict[str, Any]], style: Style, *, sort: str | None = None, n: int = -1) -> str:
    """The screen, of rows of the report "regions".

    Parameters
    ----------
    rows : `list` [`dict`]
        The regions, in the order in which they began.
    style : `Style`
        How text is dressed.
    sort : `str`, optional
        The key that groups beside one another are ordered by, largest first; as they began when `None`.
    n : `int`, optional
        Rows at most; all when negative.
    """
    if not rows:
        return "The trace has no regions.\n"
    groups = [group for group in _walk(_tree(rows), sort)]
    shown = groups if n < 0 else groups[:n]
    columns = [Column("regions"), Column("wall"), Column("longest"), Column("CPU (process)"), Column("peak"), Column("leaked"), Column("trend"), Column("region", is_text=True, gives_way=True)]
    cells = []
    for group in shown:
        longest = max(row["wall_s"] for row in group.rows)
        figures = [_text(group.figure(key), unit) for key, unit in (("process_cpu_s", "s"), ("peak_bytes", "bytes"), ("leaked_bytes", "bytes"))]
        name = ("  " * group.depth + group.name, "bold") if group.depth == 0 else "  " * group.depth + group.name
        cells.append([f"{len(group.rows):,}", _text(group.figure("wall_s"), "s"), _text(longest, "s"), *figures, _trend(group.rows), name])
    text = table(style, columns, cells)
    if len(shown) < len(groups):
        text += f"{len(groups) - len(shown):,} more; -n -1 shows them.\n"
    return text + style.paint(wrap("wall, CPU, leaked: sums. trend: by how much they became slower (+) from the start of the run to its end.", style), "dim") + "\n"


def _tree(rows: list[dict[str, Any]]) -> _Group:
    root = _Group("", -1)
    of: dict[int, _Group] = {}
    for row in rows:
        above = of.get(row["parent"], root) if row["parent"] is not None else root
        group = above.below.setdefault(row["name"], _Group(row["name"], above.depth + 1))
        group.rows.append(row)
        of[row["index"]] = group
    return root


def _walk(root: _Group, sort: str | None):
    stack = [root]
    while stack:
        group = stack.pop()
        if group is not root:
            yield group
        below = list(group.below.values())
        if sort:
            below.sort(key=lambda one: -(one.figure(sort) or 0))
        stack.extend(reversed(below))


def _text(value: float | None, unit: str) -> str:
    return "?" if value is None else text_of(value, unit)


def _trend(rows: list[dict[str, Any]]) -> str:
    """The median of all slopes: one slow region does not tilt it."""
    if len(rows) < TREND_FROM:
        return ""
    some = rows[:: max(1, len(rows) // TREND_POINTS_MAX)]
    slopes = [
        (b["wall_s"] - a["wall_s"]) / (b["start_s"] - a["start_s"]) for i, a in enumerate(some) for b in some[i + 1 :] if b["start_s"] != a["start_s"]
    ]
    if not slopes:
        return ""
    change = statistics.median(slopes) * (max(row["start_s"] for row in rows) - min(row["start_s"] for row in rows))
    return ("+" if change >= 0 else "-") + text_of(abs(change), "s")
