"""One side of a comparison: one run or several, each a trace."""

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rubinprof import trace
from rubinprof.compare import named
from rubinprof.metrics import METRICS, SAMPLING_Z, error_of

__all__ = ["Run", "read_runs"]

Progress = Callable[[int, int], object]


class Run:
    """The figures of one run.

    ``stats`` is the report "stats"; ``metrics`` the nine figures of the whole run; ``rows`` the table that was asked for; ``functions`` the table by function; ``flame`` the report "flame", when it was asked for. ``of_functions`` has
    what `named.figure_of` found of the functions asked for, a figure and its error by metric and name. What nobody measured, as calls in sampled mode, is `None`.
    """

    def __init__(
        self,
        paths: tuple[str, ...],
        opened: trace.Trace,
        by: Iterable[str],
        want_flame: bool,
        want_functions: Iterable[tuple[str, str]],
        progress: Progress | None,
    ):
        self.paths = paths
        by = tuple(by)
        # What needs most comes first: the others are answered from what is kept of it. With lines there is all but the timeline.
        lines = opened._json("table", by="line", metric=None, n=-1, progress=progress)["rows"] if "line" in by else None
        self.functions = functions = opened._json("table", by="function", metric=None, n=-1, progress=progress)["rows"]
        self.stats = opened._json("stats")
        self.rows = {kind: functions if kind == "function" else lines if kind == "line" else opened.table(kind) for kind in by}
        # Python rows sum to the whole; what has no key of its own in stats is such a sum.
        self.metrics = {name: self.stats[m.stats] if m.stats else _sum_of_python(functions, m.own) for name, m in METRICS.items()}
        self.errors = {name: error_of(self.stats, m.stats) if m.stats else None for name, m in METRICS.items()}
        self.flame = opened._json("flame", full_names=True) if want_flame else None
        self.of_functions: dict[tuple[str, str], tuple[float | None, float | None]] = {}
        for metric, name in want_functions:
            with contextlib.suppress(LookupError):
                self.of_functions[metric, name] = named.figure_of(opened, functions, metric, name)

    def error_of_none(self, metric: str, row: dict[str, Any] | None) -> float | None:
        """As `error_of`, of a row that this run does not have (docs/sampling.md): no sample hit it.

        Parameters
        ----------
        metric : `str`
            One of `METRICS`.
        row : `dict` or `None`
            The row that another run has; `None` where none does.
        """
        errors = [error for error in (self._error_of_no_sample(metric), self._error_of_no_share(metric, row)) if error is not None]
        return math.hypot(*errors) if errors else None

    def _error_of_no_share(self, metric: str, row: dict[str, Any] | None) -> float | None:
        """Where calls were seen samples tell of native code, and of lines. A function without a call is an exact 0."""
        shared = self.stats.get("shared_out")
        if shared is None or row is None or metric not in ("cpu", "wall"):
            return None
        whole = shared["cpu_s"]
        if row["kind"] == "python":
            if "def_line" not in row:
                return None
            whole = sum(f["total_cpu_s"] or 0 for f in self.functions if (f["function"], f["module"]) == (row["function"], row["module"]))
        if not whole:
            return None
        if not shared["samples"]:
            return math.inf if row["kind"] == "native" else whole
        return _most_of(whole, shared["cpu_s"] / shared["samples"])

    def _error_of_no_sample(self, metric: str) -> float | None:
        unit = METRICS[metric].unit
        key = "cpu_s" if metric == "cpu" else "bytes" if unit == "bytes" else metric
        adds = self.stats.get("sample_adds", {}).get(key)
        if adds is None:
            return None
        if not adds:
            return math.inf  # no sample at all
        return _most_of(self.stats["sampled_cpu_s"], adds) if metric == "cpu" else round(SAMPLING_Z**2 * adds)


def _most_of(whole: float, adds: float) -> float:
    """How much of a known whole a part may have that no sample hit; ``adds``: what a sample stands for."""
    most = SAMPLING_Z**2 * adds
    return most / (1 + most / whole)


def _sum_of_python(rows: list[dict[str, Any]], key: str) -> float | None:
    values = [row[key] for row in rows if row["kind"] == "python"]
    return None if None in values else sum(values)


def read_runs(
    side: Any,
    by: Iterable[str] = ("function",),
    *,
    want_flame: bool = False,
    want_functions: Sequence[tuple[str, str]] = (),
    progress: Progress | None = None,
) -> list[Run]:
    """Read the runs of a side.

    Parameters
    ----------
    side : path, `Trace`, or a sequence of either
        Each is one run; a directory is one run of several processes.
    by : `~collections.abc.Iterable` [`str`], optional
        The tables to keep.
    want_flame : `bool`, optional
        Whether to keep the call tree too.
    want_functions : `~collections.abc.Sequence` [`tuple` [`str`, `str`]], optional
        Metric and name of functions whose figures to keep.
    progress : `~collections.abc.Callable`, optional
        Called with bytes done and bytes to do of the run being read.
    """
    items = [side] if isinstance(side, str | os.PathLike | trace.Trace) else list(side)
    if not items:
        raise ValueError("a side of a comparison needs at least one run")
    runs = []
    for item in items:
        if isinstance(item, trace.Trace):
            runs.append(Run(tuple(map(str, item.paths)), item, by, want_flame, want_functions, progress))
        else:
            with trace.open(item, index=True) as opened:
                runs.append(Run((os.fspath(item),), opened, by, want_flame, want_functions, progress))
    return runs
