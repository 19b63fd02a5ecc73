"""The difference of two campaigns, and the history of several: as text, and the first as a page."""

import json
import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rubinprof.metrics import text_of
from rubinprof.reports import webpage
from rubinprof.reports.output import replaced
from rubinprof.reports.style import Column, Style, table

if TYPE_CHECKING:
    from rubinprof.campaign.history import Change, Series

__all__ = ["history_text", "render", "render_text", "write"]

STYLES = ["flame.css", "report.css", "campaign.css"]
SCRIPTS = ["data.js", "drawing.js", "head.js", "grid.js", "campaign_charts.js", "campaign_tables.js", "campaign_diff.js"]
FIGURES = {"wall": "s", "cpu": "s", "memory": "bytes"}


def write(document: dict[str, Any], output: str | os.PathLike[str]) -> None:
    """Write the page; ``document`` is what `rubinprof.campaign.difference.difference` gives, with ``limits``."""
    with replaced(output) as file:
        file.write(render(document).encode())


def render(document: dict[str, Any]) -> str:
    """Return the page."""
    rows = [{"function": row["task"], "self_cpu_s": row["cpu"]["a"], "total_cpu_s": row["cpu"]["b"]} for row in document["tasks"][: webpage.TABLE_ROWS]]
    return webpage.render(
        "campaign_diff.html", STYLES, SCRIPTS, title=f"{document['a']} to {document['b']}", what="The difference", rows=rows,
        rows_are="What changed most; median CPU time of A (self) and B (total):", difference=json.dumps(document).encode(),
    )  # fmt: skip


def render_text(document: dict[str, Any], style: Style, n: int | None) -> str:
    """Lines for a terminal."""
    totals = document["totals"]
    lines = [f"A  {document['a']}: {totals['quanta'][0]:,} quanta, {_hours(totals['wall_s'][0])}", f"B  {document['b']}: {totals['quanta'][1]:,} quanta, {_hours(totals['wall_s'][1])}", ""]
    both = [row for row in document["tasks"] if row["state"] == "both"]
    rows: list[list[str | tuple[str, ...]]] = []
    for row in both[:n]:
        for name, unit in FIGURES.items():
            one = row[name]
            if one["change"] is not None:
                rows.append([text_of(one["a"], unit), text_of(one["b"], unit), _signed(one["change"]), _interval(one["interval"]), "" if one["certain"] else "~", name, row["task"]])
    if rows:
        columns = [Column("A"), Column("B"), Column("change"), Column("95 % interval"), Column("", True), Column("median", True), Column("task", True, True)]
        lines.append(table(style, columns, rows).rstrip("\n"))
        lines.append("~ may be chance: the interval of the change holds 0")
    if n is not None and len(both) > n:
        lines.append(f"{len(both) - n} more tasks; -n -1 shows them.")
    for state, word in (("new", "only in B"), ("gone", "only in A")):
        if names := [row["task"] for row in document["tasks"] if row["state"] == state]:
            lines.append(f"{word}: {', '.join(names)}")
    by_limit: dict[str, list[dict[str, Any]]] = {}
    for one in document.get("limits", []):
        by_limit.setdefault(one["limit"], []).append(one)
    for limit, verdicts in by_limit.items():
        broken = [one for one in verdicts if one["broken"]]
        lines += [f"FAIL  {limit}  ({one['found']})" for one in broken]
        if not broken:
            lines.append(f"ok    {limit}  ({verdicts[0]['found'] if len(verdicts) == 1 else f'{len(verdicts)} tasks'})")
    return "\n".join(lines) + "\n"


def history_text(series: "Sequence[Series]", changes: "Sequence[Change]", style: Style, n: int | None) -> str:
    """Lines for a terminal: changes, and each series as a row."""
    lines = []
    if changes:
        rows = [[_of(change.before, change.figure), _of(change.after, change.figure), _signed(change.change), _interval([change.low, change.high]), change.at, change.figure, change.task]
                for change in changes[:n]]  # fmt: skip
        lines.append(table(style, [Column("before"), Column("after"), Column("change"), Column("95 % interval"), Column("from", True), Column("median", True), Column("task", True, True)], rows))
    else:
        lines.append("Nothing changed by more than chance.\n")
    rows = [[_of(math.exp(one.logs[0]), one.figure), style.steps([math.exp(log) for log in one.logs]), _of(math.exp(one.logs[-1]), one.figure), f"{len(one.logs)}", one.figure, one.task] for one in series[:n]]
    if rows:
        lines.append(table(style, [Column("first"), Column("series", True), Column("last"), Column("points"), Column("median", True), Column("task", True, True)], rows))
    if n is not None and len(series) > n:
        lines.append(f"{len(series) - n} more series; -n -1 shows them.\n")
    return "\n".join(lines)


def _of(value: float, figure: str) -> str:
    return text_of(value, FIGURES[figure])


def _signed(share: float) -> str:
    return f"{100 * share:+.1f} %"


def _interval(ends: Sequence[float]) -> str:
    return "?" if not all(map(math.isfinite, ends)) else f"{100 * ends[0]:+.1f} to {100 * ends[1]:+.1f} %"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.0f} h" if seconds >= 36000 else text_of(seconds, "s")
