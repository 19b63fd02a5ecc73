"""The figure of all functions of a name: what a limit of ``rubinprof diff --fail-on`` on a function is held against."""

import math
import re
from typing import Any

from rubinprof.metrics import METRICS, error_of

__all__ = ["figure_of", "is_named"]

_PYTHON_FRAME = re.compile(r"(.*?) \(.*:\d+\)")  # of the report "collapsed": name and place


def figure_of(opened: Any, rows: list[dict[str, Any]], metric: str, name: str) -> tuple[float | None, float | None]:
    """The figure of all functions of that name, with what they called where the metric has that.

    What such a function does inside another one of the name counts once.

    Parameters
    ----------
    opened : `Trace`
        The trace.
    rows : `list` [`dict`]
        Its table by function.
    metric : `str`
        One of `METRICS`.
    name : `str`
        The whole name, or its end behind a dot.

    Returns
    -------
    figure : `float` or `None`
        `None` when nobody measured the metric.
    error : `float` or `None`
        As `error_of`. Those of several functions are taken as independent, which is too large where they lie in one another.

    Raises
    ------
    LookupError
        Raised when there is no such function.
    """
    total = METRICS[metric].total
    key = total or METRICS[metric].own
    named = [row for row in rows if is_named(row["function"], name)]
    found = [row[key] for row in named]
    if not found:
        raise LookupError(name)
    if None in found:
        return None, None
    errors = [error for row in named if (error := error_of(row, key))]
    # Own figures add up; totals of several functions may lie in one another, which only their stacks tell.
    figure = sum(found) if not total or len(found) == 1 else _inside(opened, metric, name)
    return figure, math.hypot(*errors) if errors else None


def is_named(function: str, name: str) -> bool:
    """Whether a function is of that name: it is the whole of its own, or its end behind a dot."""
    return function == name or function.endswith("." + name)


class _Frames(dict):
    """Whether a frame of the report "collapsed" is of the name."""

    def __init__(self, name: str):
        super().__init__()
        self.name = name.replace(";", ":")  # as that report writes it

    def __missing__(self, frame: str) -> bool:
        python = _PYTHON_FRAME.fullmatch(frame)
        self[frame] = is_named(python[1] if python else frame, self.name)
        return self[frame]


def _inside(opened: Any, metric: str, name: str) -> float:
    """The sum over the stacks that hold the name: read as they come, for a tree of millions of nodes is larger than memory."""
    frames = _Frames(name)
    whole, rest = 0, b""

    def take(chunk: bytes) -> None:
        nonlocal whole, rest
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            stack, _, value = line.decode().rpartition(" ")
            if any(frames[frame] for frame in stack.split(";")):
                whole += int(value)

    opened.report("collapsed", "text", metric=metric, write=take)
    return whole / 1e9 if METRICS[metric].unit == "s" else whole
