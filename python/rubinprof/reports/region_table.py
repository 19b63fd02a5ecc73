"""Regions ranked by a metric: ``rubinprof table --by region``. In their order of time they are ``rubinprof regions``."""

from typing import Any, TextIO

from rubinprof.metrics import METRICS, doubt_legend, doubt_of, text_of
from rubinprof.reports import csv_cells
from rubinprof.reports.style import Column, Style, table

__all__ = ["ranked", "region_table", "render", "write_csv"]

SCHEMA = 1
# Metric to key. CPU is that of the process, as under "cpu" in the report "regions".
KEYS = {name: metric.stats for name, metric in METRICS.items() if metric.stats} | {"cpu": "process_cpu_s"}
SHOWN = ["wall", "cpu", "peak", "leaked"]
CSV_COLUMNS = [
    "index", "name", "pid", "thread", "unfinished", "start_s", "wall_s", "cpu_s", "process_cpu_s", "calls", "allocations",
    "allocated_bytes", "peak_bytes", "peak_above_start_bytes", "leaked_bytes", "rss_begin", "rss_max", "rss_end",
    "process_rss_max", "process_rss_max_is_own", "cpu_measured_s", "host", "job", "exit_status", "exception", "nth_in_process", "attempt", "attempts",
    "start_unix_s", "end_unix_s", "turns_unknown", "times_left", "away_s", "mapped_file_bytes", "shared_bytes",
]  # fmt: skip


def ranked(rows: list[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """The rows of the report "regions", the largest first.

    Raises
    ------
    ValueError
        Raised when regions have no such metric, or nobody has measured it.
    """
    if metric not in KEYS:
        raise ValueError(f"regions are not ranked by {metric!r}; choose {', '.join(KEYS)}")
    key = KEYS[metric]
    if any(row[key] is None for row in rows):
        why = "it was sampled" if metric in ("calls", "wall", "gil_wait") else "its memory was off"
        raise ValueError(f"nobody has measured {metric} in this trace: {why}")
    return sorted(rows, key=lambda row: -row[key])


def region_table(trace: Any, n: int | None = None, *, metric: str = "cpu", progress: Any = None, **limits: Any) -> dict[str, Any]:
    """Rank the regions of a trace.

    Parameters
    ----------
    trace : `Trace`
        The trace.
    n : `int`, optional
        Rows at most; all of them when `None`.
    metric : `str`, optional
        What to rank by; CPU is that of the process.
    progress : `~collections.abc.Callable`, optional
        Called with bytes done and bytes to do.
    **limits
        ``region``, ``from_s`` and ``to_s`` of the report "table", which refuses them: a region is told whole.

    Returns
    -------
    table : `dict`
        As ``rubinprof table --by region --json`` gives it; described in docs/report-json.md.
    """
    rows = ranked(trace._json("table", by="region", progress=progress, **limits)["rows"], metric)
    return {"schema": SCHEMA, "by": "region", "metric": metric, "rows_total": len(rows), "rows": rows if n is None else rows[:n]}


def render(found: dict[str, Any], style: Style) -> str:
    """The screen."""
    if not found["rows"]:
        return "The trace has no regions.\n"
    metrics = [*([] if found["metric"] in SHOWN else [found["metric"]]), *SHOWN]
    sampled = any(key.endswith("_error") for key in found["rows"][0])
    rows = []
    for row in found["rows"]:
        labels = "".join(f" {key}={value}" for key, value in row["labels"].items())
        ending = f" ({row['exit_status'] or 'unfinished'})" if row["unfinished"] or row["exit_status"] == "failed" else ""
        ending += " (others may have run in it)" if row["turns_unknown"] else ""
        rows.append([*(text for name in metrics for text in _figure(row, name, style, sampled)), row["name"] + labels + ending])
    more = found["rows_total"] - len(found["rows"])
    end = style.paint(f"{more:,} more; -n -1 shows them.", "dim") + "\n" if more else ""
    end += style.paint(doubt_legend(is_ascii=style.is_ascii), "dim") if sampled else ""
    heads = [Column(title) for name in metrics for title in (name, *([""] if sampled and _is_estimate(name) else []))]
    return table(style, [*heads, Column("region", True, True)], rows) + end


def _is_estimate(metric: str) -> bool:
    """Whether it is one where memory was sampled."""
    return METRICS[metric].name in ("allocated", "allocations", "peak", "leaked")


def _figure(row: dict[str, Any], metric: str, style: Style, sampled: bool) -> list[str]:
    key = KEYS[metric]
    return [text_of(row[key], METRICS[metric].unit), *([doubt_of(row, key, is_ascii=style.is_ascii)] if sampled and _is_estimate(metric) else [])]


def write_csv(found: dict[str, Any], stream: TextIO) -> None:
    """One line a row, in the columns of ``rubinprof regions --csv``."""
    labels = list(dict.fromkeys(name for row in found["rows"] for name in row["labels"]))
    names = CSV_COLUMNS + [name for name in (found["rows"] or [{}])[0] if name.endswith("_error")]
    rows = ([_cell(row[name]) for name in names] + [row["labels"].get(name, "") for name in labels] for row in found["rows"])
    csv_cells.write_rows(stream, [[*names, *(f"label.{name}" for name in labels)], *rows])


def _cell(value: Any) -> Any:
    """A cell of CSV: nothing for what is unknown, 1 and 0 for yes and no."""
    return "" if value is None else int(value) if isinstance(value, bool) else value
