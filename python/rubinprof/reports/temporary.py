"""What was freed at once: allocations that could be saved."""

from typing import Any, TextIO

from rubinprof.metrics import text_of
from rubinprof.places import place_of
from rubinprof.reports import csv_cells
from rubinprof.reports.style import Column, Style, table

__all__ = ["render", "temporary", "write_csv"]

SCHEMA = 1
BAR_CELLS = 8
BAR_FROM_COLUMNS = 100
KEYS = [
    "function", "file", "line", "module", "kind", "inlined", "temporary_bytes", "temporary_allocations", "allocated_bytes", "allocations",
]  # fmt: skip


def temporary(trace: Any, by: str = "line", n: int | None = None, *, native: bool = False, progress: Any = None) -> dict[str, Any]:
    """Where memory was freed by its thread before that thread allocated again.

    Parameters
    ----------
    trace : `Trace`
        The trace.
    by : `str`, optional
        "line", "function" or "file".
    n : `int`, optional
        Rows at most; all of them when `None`.
    native : `bool`, optional
        Rows of C and C++ functions instead of Python ones.
    progress : `~collections.abc.Callable`, optional
        Called with bytes done and bytes to do.

    Returns
    -------
    temporary : `dict`
        As ``rubinprof temporary --json`` gives it; described in docs/report-json.md.
    """
    stats = trace._json("stats", progress=progress)
    kind = "native" if native else "python"
    rows = trace.table(by, "temporary")
    whole = sum(row["temporary_bytes"] or 0 for row in rows if row["kind"] == "python")
    found = [{key: row[key] for key in KEYS} for row in rows if row["kind"] == kind and row["temporary_allocations"]]
    return {
        "schema": SCHEMA,
        "by": by,
        "temporary_bytes": whole,
        "temporary_allocations": sum(row["temporary_allocations"] or 0 for row in rows if row["kind"] == "python"),
        "allocated_bytes": stats["allocated_bytes"],
        "allocations": stats["allocations"],
        "rows_total": len(found),
        "rows": found if n is None else found[:n],
    }


def render(found: dict[str, Any], style: Style) -> str:
    """The screen."""
    whole, all_bytes = found["temporary_bytes"], found["allocated_bytes"]
    share = whole / all_bytes if all_bytes else 0
    head = (
        f"{style.paint(text_of(whole, 'bytes'), 'bold')} in {found['temporary_allocations']:,} allocations were freed at once: "
        f"{share:.0%} of all that was allocated\n\n".replace("%", " %")
    )
    rows = []
    for row in found["rows"]:
        share = row["temporary_bytes"] / whole if whole else 0
        count = row["temporary_allocations"]
        rows.append(
            [
                text_of(row["temporary_bytes"], "bytes"),
                f"{share:.1%}".replace("%", " %"),
                (style.bar(share, BAR_CELLS) if style.width >= BAR_FROM_COLUMNS else "", "yellow"),
                f"{count:,}",
                text_of(row["temporary_bytes"] / count, "bytes"),
                f"{count / row['allocations']:.0%}".replace("%", " %") if row["allocations"] else "",
                row["function"] or row["file"],
                (place_of(row) if row["function"] else row["module"], "dim"),
            ]
        )
    if not rows:
        return head
    columns = [
        Column("temporary"), Column("share"), Column("", True), Column("times"), Column("each"), Column("of its own"),
        Column(found["by"], True, True), Column("", True, True),
    ]  # fmt: skip
    more = found["rows_total"] - len(found["rows"])
    end = style.paint(f"{more:,} more; -n -1 shows them.", "dim") + "\n" if more else ""
    return head + table(style, columns, rows) + end


def write_csv(found: dict[str, Any], stream: TextIO) -> None:
    """One line a row."""
    csv_cells.write_rows(stream, [KEYS, *([row[name] for name in KEYS] for row in found["rows"])])
