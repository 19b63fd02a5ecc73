"""A difference as text and as CSV."""

import time
from typing import Any, TextIO

from rubinprof import _analyze
from rubinprof.metrics import METRICS, text_of
from rubinprof.places import place_of
from rubinprof.reports.style import Column, Style, cut_end, table, wrap

__all__ = ["render", "write_csv"]

BAR_CELLS = 10
HOST_CELLS = 24  # of a host's name: containers are called by 64 digits
# What a growth of this metric is called; all of them are better small.
WORSE, BETTER = "red", "green"
TOTALS = [metric.name for metric in METRICS.values() if metric.stats]


def render(difference: dict[str, Any], style: Style) -> str:
    """The screen: what was compared, the totals, the rows that changed most, the limits."""
    parts = [_sides(difference, style), _totals(difference, style), _rows(difference, style), _limits(difference, style)]
    return "\n".join(part for part in parts if part)


def _sides(difference: dict[str, Any], style: Style) -> str:
    lines = []
    for name in "ab":
        side = difference[name]
        runs = side["runs"]
        paths = ", ".join(path for run in runs[:2] for path in run["paths"]) + (f", … ({len(runs)} runs)" if len(runs) > 2 else "")
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(runs[0]["start_s"]))
        host = cut_end(side["host"], HOST_CELLS, style.is_ascii)
        lines.append([(name.upper(), "bold"), paths, f"{side['command']}", f"Python {side['python']} on {host}, {when}"])
    text = table(style, [Column("", True), Column("", True, True), Column("", True, True), Column("", True)], lines)
    return text.split("\n", 1)[1] + _warnings(difference, style)


def _why_incomplete(runs: list[dict[str, Any]]) -> str:
    if any(run.get("damaged_files") for run in runs):
        return "is damaged or cut short"
    if any(run.get("ended", {}).get("killed") for run in runs):
        return "has a process that ended without a stop"
    return "is incomplete"


def _warnings(difference: dict[str, Any], style: Style) -> str:
    found = []
    for name in "ab":
        runs = difference[name]["runs"]
        if any(not run["complete"] for run in runs):
            found.append(f"{name.upper()} {_why_incomplete(runs)}: figures are of what is there.")
        if any(run["lost_events"] for run in runs):
            found.append(f"{name.upper()} lost events: its figures are too low.")
    modes = {repr(run["mode"]) for name in "ab" for run in difference[name]["runs"]}
    if len(modes) > 1:
        found.append("The runs were traced in different modes: what only one of them measured is ?.")
    if any(run["processes"] > 1 for name in "ab" for run in difference[name]["runs"]):
        found.append("Directories count as one run of several processes; for a run each: --a FILE… --b FILE…")
    return "".join(style.paint(line, "yellow") + "\n" for line in found)


def _totals(difference: dict[str, Any], style: Style) -> str:
    noisy = any("interval" in found for found in difference["totals"].values())
    rows = []
    for name in TOTALS:
        found, unit = difference["totals"][name], METRICS[name].unit
        row = [name, _text(found["a"], unit), _text(found["b"], unit), _change(found, unit), _share(found)]
        if noisy:
            row.append(_interval(found, unit))
        rows.append(row)
    columns = [Column("", True), Column("A"), Column("B"), Column("change"), Column("")]
    if noisy:
        columns.append(Column("95 % interval", True))
    return table(style, columns, rows) + _noise(difference, style)


def _noise(difference: dict[str, Any], style: Style) -> str:
    noise = difference["noise"]
    if noise["method"] is None:
        text = "One run a side: noise unknown (--a RUN… --b RUN… tell). ~ too few samples: the interval holds 0"
    else:
        text = "~ may be noise: the interval holds 0 (bootstrap over {} and {} runs".format(*noise["runs"])
        text += f"; {noise['assumed']})" if "assumed" in noise else ")"
    return style.paint(wrap(text.replace("…", "...") if style.is_ascii else text, style), "dim") + "\n"


def _rows(difference: dict[str, Any], style: Style) -> str:
    metric = METRICS[difference["metric"]]
    largest = max((abs(row["change"][metric.own] or 0) for row in difference["rows"]), default=0)
    by = difference["by"]
    rows = []
    for row in difference["rows"]:
        change = row["change"][metric.own]
        if not change:
            break
        found = {"a": row["a"][metric.own], "b": row["b"][metric.own], "change": change}
        if "certain" in row:
            found["certain"] = row["certain"].get(metric.own)
        colour = _colour(found)
        rows.append(
            [
                _change(found, metric.unit),
                _share(found),
                (style.bar(abs(change) / largest, BAR_CELLS), *colour),
                text_of(found["a"], metric.unit),
                text_of(found["b"], metric.unit),
                _name(row, by),
                (_place(row, by), "dim"),
            ]
        )
    if not rows:
        return f"No {by} changed in {metric.name}.\n"
    own = "self " if metric.unit == "s" else ""
    columns = [
        Column(own + metric.name), Column(""), Column("", True), Column("A"), Column("B"), Column(by, True, True), Column("", True, True),
    ]  # fmt: skip
    more = difference["rows_changed"] - len(rows)
    end = style.paint(f"{more:,} more changed; -n -1 shows them.", "dim") + "\n" if more > 0 else ""
    return table(style, columns, rows) + end


def _limits(difference: dict[str, Any], style: Style) -> str:
    lines = []
    for limit in difference.get("limits", []):
        word = style.paint("FAIL", "bold", WORSE) if limit["broken"] else style.paint("pass", BETTER)
        lines.append(f"{word}  {limit['limit']}  ({limit['found']})\n")
    return "".join(lines)


def _colour(found: dict[str, Any]) -> tuple[str, ...]:
    if not found["change"] or found.get("certain") is False:
        return ("dim",)
    return (WORSE if found["change"] > 0 else BETTER,)


def _text(value: float | None, unit: str) -> str:
    return "?" if value is None else text_of(value, unit)


def _change(found: dict[str, Any], unit: str) -> tuple[str, ...]:
    if found["change"] is None:
        return ("?", "dim")
    mark = "~" if found.get("certain") is False and found["change"] else ""
    return (mark + (text_of(found["change"], unit, signed=True) if found["change"] else "0"), *_colour(found))


def _share(found: dict[str, Any]) -> tuple[str, ...]:
    if not found["change"]:
        return ("",)
    if not found["a"] or not found["b"]:  # a side that no sample hit may have it, too
        return ("" if found.get("certain") is False else "gone" if found["a"] else "new", *_colour(found))
    share = found["change"] / found["a"]
    return (f"{share:+.1%}".replace("%", " %") if abs(share) < 10 else f"x{found['b'] / found['a']:.0f}", *_colour(found))


def _interval(found: dict[str, Any], unit: str) -> str:
    if "interval" not in found:
        return ""
    low, high = found["interval"]
    return f"{text_of(low, unit, signed=True)} to {text_of(high, unit, signed=True)}"


def _name(row: dict[str, Any], by: str) -> str:
    return {"file": row["file"] or row["module"], "module": row["module"]}.get(by, row["function"]) or "[unknown]"


def _place(row: dict[str, Any], by: str) -> str:
    if by in ("file", "module"):
        return ""
    place = place_of(row)
    if by == "line" and "line_a" in row:
        place += f" (was {row['line_a']})"
    return place


def write_csv(difference: dict[str, Any], stream: TextIO) -> None:
    """One line a row: names, then A, B and change of each figure, and its interval where there is one."""
    names = ["function", "file", "line", "module", "kind", "inlined", "in"]
    rows = difference["rows"]
    figures = list(rows[0]["a"]) if rows else []
    noisy = any("interval" in row for row in rows)
    endings = ["a", "b", "change", *(["low", "high"] if noisy else [])]
    lines = [names + [f"{key}_{ending}" for key in figures for ending in endings]]
    for row in rows:
        cells = [row[name] for name in names]
        for key in figures:
            cells += [row[side][key] for side in ("a", "b", "change")]
            cells += row.get("interval", {}).get(key, ["", ""]) if noisy else []
        lines.append(cells)
    stream.writelines(",".join(map(_csv_cell, line)) + "\n" for line in lines)


def _csv_cell(value: Any) -> str:
    """A cell of CSV as the analyzer writes it: texts quoted, nothing for what is unknown, 1 and 0 for yes and no."""
    if isinstance(value, str):
        return _analyze.csv_cell(value) if value else ""
    return "" if value is None else str(int(value) if isinstance(value, bool) else value)
