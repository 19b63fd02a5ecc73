"""What was never freed: where it was allocated, and when."""

from typing import Any, TextIO

from rubinprof.metrics import doubt_legend, doubt_of, text_of
from rubinprof.places import place_of
from rubinprof.reports import csv_cells
from rubinprof.reports.style import Column, Style, table

__all__ = ["leaks", "render", "write_csv"]

SCHEMA = 1
BORN_BINS = 16  # steps of the small drawing: enough to tell "once" from "all the time"
BAR_CELLS = 8
BAR_FROM_COLUMNS = 100
NAMES = ["function", "file", "line", "module"]


def leaks(trace: Any, by: str = "line", n: int | None = None, progress: Any = None) -> dict[str, Any]:
    """What was never freed, by Python line, function or file.

    Parameters
    ----------
    trace : `Trace`
        The trace.
    by : `str`, optional
        "line", "function" or "file".
    n : `int`, optional
        Rows at most; all of them when `None`.
    progress : `~collections.abc.Callable`, optional
        Called with bytes done and bytes to do.

    Returns
    -------
    leaks : `dict`
        As ``rubinprof leaks --json`` gives it; described in docs/report-json.md.
    """
    page = trace._json("page", n=-1, progress=progress)  # nothing folded for want of room
    stats = trace.stats()
    if stats["leaked_bytes"] is None:
        raise ValueError("nobody has measured leaked in this trace: its memory was off")
    timeline = page["timeline"]
    length = timeline["length_s"]
    bin_s = length / max(1, timeline["bins"])
    keys = _line_keys(page, by)
    rows: dict[tuple, dict[str, Any]] = {}
    for step, place, leaked in _leaked(timeline):
        line = _python_line(timeline["places"], place)
        key = keys[line] if line >= 0 else ("[outside Python]", "", 0, "")
        row = rows.get(key)
        if row is None:
            row = rows[key] = dict(zip(NAMES, key, strict=True)) | {"leaked_bytes": 0, "born": [0] * BORN_BINS}
            row["first_s"] = step * bin_s
        row["leaked_bytes"] += leaked
        row["born"][min(BORN_BINS - 1, step * BORN_BINS // max(1, timeline["bins"]))] += leaked
        row["last_s"] = (step + 1) * bin_s
    found = sorted((row for row in rows.values() if row["leaked_bytes"] > 0), key=lambda row: -row["leaked_bytes"])
    if "leaked_bytes_error" in stats:
        _add_errors(found, trace.table(by))
    return {
        "schema": SCHEMA,
        "by": by,
        "length_s": length,
        **{key: stats[key] for key in ("leaked_bytes", "leaked_bytes_error", "leaked_allocations", "leaked_allocations_error") if key in stats},
        "rows_total": len(found),
        "rows": found if n is None else found[:n],
    }


def _add_errors(rows: list[dict[str, Any]], table: list[dict[str, Any]]) -> None:
    """Those of the same places in a table, where a Python line has what it called natively too."""
    errors = {tuple(row[name] for name in NAMES): row["leaked_bytes_error"] for row in table}
    for row in rows:
        row["leaked_bytes_error"] = errors.get(tuple(row[name] for name in NAMES))


def _line_keys(page: dict[str, Any], by: str) -> list[tuple]:
    """The row that each line of the report "page" belongs to."""
    strings, frames, lines = page["strings"], page["frames"], page["lines"]
    keys = []
    for frame, line in zip(lines["frame"], lines["line"], strict=True):
        name, file, module = (strings[frames[key][frame]] for key in ("name", "file", "module"))
        if by == "file":
            keys.append(("", file, 0, module))
        else:
            keys.append((name, file, line or None if by == "line" else frames["line"][frame], module))
    return keys


def _leaked(timeline: dict[str, Any]):
    """``(step, place, bytes)`` of what was allocated in a step of the run and never freed, in order of time."""
    memory, at = timeline["memory"], 0
    for step, count in enumerate(memory["rows"]):
        place = 0
        for i in range(at, at + count):
            place += memory["place"][i]
            if memory["leaked"][i]:
                yield step, place, memory["leaked"][i]
        at += count


def _python_line(places: dict[str, list[int]], place: int) -> int:
    """The line of a site, or of the nearest caller that has one."""
    while places["line"][place] < 0 and places["up"][place] > 0:
        place -= places["up"][place]
    return places["line"][place]


def render(found: dict[str, Any], style: Style) -> str:
    """The screen."""
    whole = found["leaked_bytes"]
    blocks = found["leaked_allocations"]
    doubts = [doubt_of(found, key, is_ascii=style.is_ascii) for key in ("leaked_bytes", "leaked_allocations")]
    whole_text, blocks_text = (" ".join(filter(None, pair)) for pair in zip((style.paint(text_of(whole, "bytes"), "bold"), f"{blocks:,}"), doubts, strict=True))
    head = f"{whole_text} in {blocks_text} blocks never freed\n\n"
    is_estimate = "leaked_bytes_error" in found
    rows = []
    for row in found["rows"]:
        share = row["leaked_bytes"] / whole if whole else 0
        rows.append(
            [
                text_of(row["leaked_bytes"], "bytes"),
                *([doubt_of(row, "leaked_bytes", is_ascii=style.is_ascii)] if is_estimate else []),
                f"{share:.1%}".replace("%", " %"),
                (style.bar(share, BAR_CELLS) if style.width >= BAR_FROM_COLUMNS else "", "red"),
                (style.steps(row["born"]), "cyan"),
                f"{row['first_s']:.2f} s",
                f"{row['last_s']:.2f} s",
                row["function"] or row["file"],
                (place_of(row) if row["function"] and row["file"] else "", "dim"),
            ]
        )
    if not rows:
        return head
    columns = [
        Column("leaked"), *([Column("")] if is_estimate else []), Column("share"), Column("", True), Column("allocated when", True), Column("from"), Column("to"),
        Column(found["by"], True, True), Column("", True, True),
    ]  # fmt: skip
    note = f"when: from begin to end of the run ({text_of(found['length_s'], 's')}). Spread out: grows with the work.\n"
    note += doubt_legend(is_ascii=style.is_ascii) if is_estimate else ""
    more = found["rows_total"] - len(found["rows"])
    end = f"{more:,} more; -n -1 shows them.\n" if more else ""
    return head + table(style, columns, rows) + "\n" + style.paint(end + note, "dim")


def write_csv(found: dict[str, Any], stream: TextIO) -> None:
    """One line a row; without the drawing."""
    names = [*NAMES, "leaked_bytes", *(["leaked_bytes_error"] if "leaked_bytes_error" in found else []), "first_s", "last_s"]
    csv_cells.write_rows(stream, [names, *([row[name] for name in names] for row in found["rows"])])
