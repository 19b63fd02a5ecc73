"""A running trace, looked at again and again.

The program is not touched: no signal, no ptrace, no lock. Only its trace file is read, which it writes anyway, on this process's own CPU
time: the first look reads all of it, the next ones what is new. Looks are as far apart as keeps the reading below a quarter of the time.
"""

import os
import re
import sys
import time
from typing import Any, NamedTuple

from rubinprof.errors import RubinprofError, TraceError
from rubinprof.metrics import METRICS, text_of
from rubinprof.places import place_of
from rubinprof.reports.pool_hint import pool_hint
from rubinprof.reports.style import Column, Style, cut, safe, table

__all__ = ["Look", "Watch", "pause_after", "render", "trace_of_process"]

PAUSE_S = 1.0
READING_SHARE_MAX = 0.25
ROWS = 200  # more than a screen has
SUFFIX = ".rprof"


class Look(NamedTuple):
    """What one reading of the file gave. ``rows`` is by (function, file, line).

    ``grown_whole``: rows are those that grew most since the look before, and say by how much; of all functions it is so much. Else it is None, and all rows are there.
    """

    at: float
    took_s: float
    path: str
    stats: dict[str, Any]
    rows: dict[tuple, dict[str, Any]]
    grown_whole: float | None = None


def trace_of_process(pid: int) -> str:
    """The trace file that a process writes.

    Raises
    ------
    RubinprofError
        Raised when there is none, or it cannot be found out; the text is one sentence.
    """
    if sys.platform != "linux":
        raise RubinprofError("a process's trace can be found on Linux only; name the file")
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as maps:
            found = {match[1] for line in maps if (match := re.search(r"(/.*" + re.escape(SUFFIX) + r")$", line))}
    except FileNotFoundError:
        raise RubinprofError(f"there is no process {pid}") from None
    except PermissionError:
        raise RubinprofError(f"process {pid} belongs to another user: name its trace file") from None
    found = {path for path in found | _open_files(pid) if os.path.exists(path)}
    if not found:
        raise RubinprofError(f"process {pid} writes no trace here: it was not started under rubinprof, or its trace has ended")
    return max(found, key=os.path.getmtime)


def _open_files(pid: int) -> set[str]:
    """Traces among a process's open files: one whose buffers are not in the file is not mapped."""
    directory = f"/proc/{pid}/fd"
    found = set()
    try:
        for name in os.listdir(directory):
            try:
                target = os.readlink(f"{directory}/{name}")
            except OSError:
                continue
            if target.endswith(SUFFIX):
                found.add(target)
    except OSError:
        pass
    return found


class Watch:
    """A trace that is looked at again and again: each look reads what is new.

    Parameters
    ----------
    path : `str`
        The trace file.
    """

    def __init__(self, path: str):
        self.path = path
        self._trace: Any = None

    def look(self, by: str = "function", metric: str | None = None, n: int = ROWS) -> Look:
        """Read the file on, to where it ends now. By function it has the ``n`` rows that grew most in the metric."""
        from rubinprof.trace import open as open_trace

        started = time.monotonic()
        if self._trace is None:
            self._trace = open_trace(self.path)
        stats, table = self._trace._look(by, metric, n)
        rows = {(row["function"], row["file"], row["line"], row.get("def_line"), row["module"]): row for row in table["rows"]}
        return Look(started, time.monotonic() - started, self.path, stats, rows, table.get("grown_whole"))

    def try_look(self, by: str, metric: str | None = None, n: int = ROWS, patience_s: float = 5.0) -> Look:
        """As `look`; tries again for a moment when the file has only just begun, or is read in the middle of a write."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return self.look(by, metric, n)
            except TraceError:
                if time.monotonic() > deadline or not os.path.exists(self.path):
                    raise
                time.sleep(0.1)


def pause_after(seen: Look) -> float:
    """Seconds until the next look."""
    return max(PAUSE_S, seen.took_s / READING_SHARE_MAX - seen.took_s)


def render(now: Look, before: Look | None, style: Style, *, metric: str | None, by: str, rows: int, note: str = "") -> str:
    """The screen. With an earlier look, ``now`` is what was added since; else it is left out."""
    return "\n".join([*_head(now, before, style, note), _table(now, before, style, metric, by, rows)])


def _head(now: Look, before: Look | None, style: Style, note: str) -> list[str]:
    stats = now.stats
    state = "ended" if stats["complete"] else "running"
    pid = stats["by_process"][0]["pid"]
    wall = text_of(stats["wall_s"], "s")
    room = style.width - len(f"  pid {pid}  {state}  {wall}  {note}")
    command = cut(safe(str(stats["command"])), max(8, room), style.is_ascii)
    head = (
        f"{style.paint(command, 'bold')}  pid {pid}  {style.paint(state, 'green' if state == 'running' else 'yellow')}  {wall}"
        f"  {style.paint(note, 'dim')}"
    )
    figures = [f"CPU {text_of(stats['cpu_s'], 's')}"]
    if before and (elapsed := stats["wall_s"] - before.stats["wall_s"]) > 0:
        if stats["cpu_s"] is not None:
            share = (stats["cpu_s"] - (before.stats["cpu_s"] or 0)) / elapsed
            figures[0] += f" ({share:.0%} now)".replace("%", " %")
        if stats["calls"] is not None:
            figures.append(f"{(stats['calls'] - (before.stats['calls'] or 0)) / elapsed:,.0f} calls/s")
    if stats["lost_events"]:
        figures.append(f"{stats['lost_events']:,} EVENTS LOST")
    figures += [
        f"held {text_of(stats['leaked_bytes'], 'bytes')}",
        f"peak {text_of(stats['peak_bytes'], 'bytes')}{pool_hint(stats)}",
        f"allocated {text_of(stats['allocated_bytes'], 'bytes')}",
        f"threads {stats['threads']}",
    ]
    while len("  ".join(figures)) > style.width:
        figures.pop()
    return [head.rstrip(), "  ".join(figures), ""]


def _table(now: Look, before: Look | None, style: Style, metric: str | None, by: str, rows: int) -> str:
    metric = metric or ("peak" if now.stats["cpu_s"] is None else "cpu")
    m = METRICS[metric]
    elapsed = now.stats["wall_s"] - before.stats["wall_s"] if before else 0

    def added(key: tuple, row: dict[str, Any]) -> float:
        if now.grown_whole is not None:
            return row["grown"]
        old = before.rows.get(key) if before else None
        if row[m.own] is None or (old and old[m.own] is None):
            return 0
        return row[m.own] - (old[m.own] if old else 0)

    moving = before is not None and elapsed > 0 and (now.grown_whole is None) == (before.grown_whole is None)
    # Memory of native code stands with the Python that called it, too: one of them is enough.
    items = [(key, row) for key, row in now.rows.items() if m.unit == "s" or row["kind"] != "native"]
    ranked = sorted(items, key=lambda item: (-added(*item) if moving else 0, -(item[1][m.own] or 0)))
    whole = (now.grown_whole or sum(max(0.0, added(*item)) for item in ranked)) if moving else 0
    lines = []
    for key, row in ranked[: max(0, rows)]:
        if not row[m.own]:
            continue
        line = [text_of(row[m.own], m.unit), text_of(row[m.total], m.unit) if m.total and row[m.total] is not None else ""]
        if moving:
            share = max(0.0, added(key, row)) / whole if whole else 0
            line = [f"{share:.0%}".replace("%", " %"), (style.bar(share, 8), "cyan"), *line]
        lines.append([*line, row["function"] or row["file"], (place_of(row), "dim")])
    columns = [Column(f"{'self ' if m.unit == 's' else ''}{metric}"), Column("with calls"), Column(by, True, True), Column("", True, True)]
    if moving:
        columns = [Column("now"), Column("", True), *columns]
    return table(style, columns, lines)
