"""A view of a campaign as a table for the terminal."""

import math
from typing import TYPE_CHECKING, Any

from rubinprof.metrics import text_of
from rubinprof.reports.style import Column, Style, table

if TYPE_CHECKING:
    from rubinprof.campaign.views import View

__all__ = ["cell", "render"]

TITLES = {
    "not_done": "not done", "wall_s": "wall", "cpu_s": "CPU", "cpu_efficiency": "CPU/wall", "gil_wait_s": "GIL wait", "wall_p50_s": "median (95 %)", "wall_p95_s": "p95", "wall_p99_s": "p99",
    "wall_max_s": "longest", "memory_p50_bytes": "median (95 %)", "memory_p95_bytes": "p95", "memory_p99_bytes": "p99", "memory_max_bytes": "largest", "over": "above", "over_share": "share",
    "over_wall_s": "their wall", "over_wall_share": "share", "wall_times": "wall (95 %)", "cpu_times": "CPU (95 %)", "low_mode": "mode", "high_mode": "mode", "share_low": "in the lower",
    "a_day": "a day (95 %)", "over_all": "over all", "mode_cpu": "CPU mode", "mode_memory": "memory mode", "overhead_s": "tool's CPU", "overhead_share": "share",
    "overhead_share_p50": "median", "overhead_share_p99": "p99", "file_bytes": "traces", "quantum_bytes": "a quantum", "lost_events": "lost", "not_complete": "not ended", "data_id": "data ID", "ours_over_theirs": "ours / theirs", "beyond_share": "share",
}  # fmt: skip
SHARES = ("cpu_efficiency", "beyond_share", "over_share", "over_wall_share", "share_low", "overhead_share", "overhead_share_p50", "overhead_share_p99")
COUNTS = ("quanta", "not_done", "over", "processes", "lost_events", "not_complete", "unit", "beyond")
INTERVALS = {"wall_p50_s": "wall_p50{}_s", "memory_p50_bytes": "memory_p50{}_bytes", "wall_times": "wall_times{}", "cpu_times": "cpu_times{}", "a_day": "a_day{}"}
"""Figures that stand with their interval."""
HIDDEN = {name.format(end) for name in INTERVALS.values() for end in ("_low", "_high")} | {"is_certain", "dip", "start", "trace", "unit"}
HIDDEN |= {f"{name}_p{percent:03}" for name in ("mem_GB", "runtime_s", "walltime_s") for percent in (0, 1, 5, 32, 68, 95)}
WIDE_ONLY = ("gil_wait_s", "wall_p95_s", "memory_p95_bytes", "cpu_times", "status", "median", "over_share")
WIDE = 130  # columns of a terminal that has room for all


def render(view: "View", style: Style) -> str:
    """Lines for a terminal."""
    rows = view.dicts()
    names = [name for name in view.columns if name not in HIDDEN and (style.width >= WIDE or name not in WIDE_ONLY or "over_wall_s" in view.columns)]
    if not rows:
        return "".join(f"{note}\n" for note in view.notes) or "Nothing stands out.\n"
    is_text = {name: any(isinstance(row[name], str) for row in rows) for name in names}
    names.sort(key=lambda name: is_text[name])  # what a row is about comes last, where a long name has room
    texts = [name for name in names if is_text[name]]
    columns = [Column(TITLES.get(name, name), is_text[name], name == texts[-1] or name in ("data_id", "host")) for name in names]
    return table(style, columns, [[cell(name, row) for name in names] for row in rows]) + "".join(f"{note}\n" for note in view.notes)


def cell(name: str, row: dict[str, Any]) -> str:
    """One figure of a row, with its interval where it has one."""
    value = row[name]
    text = _one(name, value, row)
    if value is not None and name in INTERVALS:
        low, high = (row[INTERVALS[name].format(end)] for end in ("_low", "_high"))
        if low is not None:
            text += f" ({_one(name, low, row)} to {_one(name, high, row)})"
        if name == "wall_times" and row.get("is_certain"):
            text += " *"
    return text


def _one(name: str, value: Any, row: dict[str, Any]) -> str:
    if value is None:
        return ("" if name in ("quanta", "not_done") else "?") if not isinstance(row.get("task"), str) or row["task"].startswith("[") or name not in COUNTS else "?"
    if isinstance(value, str):
        return value
    if name in SHARES:
        return _percent(value)
    if name in COUNTS:
        return text_of(value, "count")
    if name.startswith(("mem_GB_", "runtime_s_", "walltime_s_", "integrated_")):  # the unit is in the name
        return f"{value:,.4g}"
    if name in ("a_day", "over_all"):
        return ("+" if value > 0 else "") + _percent(value)
    if name in ("wall_times", "cpu_times", "ours_over_theirs", "times"):
        return f"{value:.3g} x" if name == "times" else f"{value:.3f}"
    if name == "sigmas":
        return f"{value:+.1f}"
    if name == "p":
        return "< 1e-4" if value < 1e-4 else f"{value:.2g}"
    if name in ("value", "median", "low_mode", "high_mode"):
        return text_of(value, "bytes" if row["figure"] == "memory" else "s")
    if name.endswith("_bytes"):
        return text_of(value, "bytes")
    return f"{value / 3600:,.0f} h" if abs(value) >= 36000 else text_of(value, "s")


def _percent(share: float) -> str:
    percent = 100 * share
    digits = 1 if abs(percent) >= 0.995 or percent == 0 else min(4, 1 - math.floor(math.log10(abs(percent))))
    return f"{percent:.{digits}f} %"
