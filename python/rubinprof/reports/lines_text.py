"""The source with the figures of each line beside it."""

from typing import Any

from rubinprof.metrics import doubt_legend, doubt_of, text_of
from rubinprof.places import LINE_UNKNOWN
from rubinprof.reports.source_file import SourceTexts, lines_of
from rubinprof.reports.style import Style, cut_end, safe, wrap

__all__ = ["render"]

SOURCE_MIN = 20  # columns of the source
CONTEXT = 2  # lines shown before and behind those that did something
NARROW_BELOW = 100  # columns of the window
BROAD_FROM = {"total_wall_s": 140, "leaked_bytes": 120}  # the same of some columns
BROADEST = 160  # all columns have room, and the source has some
SHARE = "cpu_share"  # of a line: its own CPU time in that of the run
CELL = 10
DOUBT = 6  # columns of what stands beside an estimate


def render(columns: list[dict[str, Any]], rows: list[dict[str, Any]], style: Style, texts: SourceTexts, whole_cpu_s: float | None = None) -> str:
    """The screen, of columns and rows of the report "lines" in their order: by file, then by line. ``whole_cpu_s`` is that of the run, of which lines have a part."""
    wanted = [c for c in columns if c["in_text"] is not None and c["key"] != "line" and not (c["if_wide"] and style.width < BROAD_FROM.get(c["key"], NARROW_BELOW))]
    shown = [(c["title"], c["key"], c["unit"]) for c in sorted(wanted, key=lambda c: c["in_text"])]
    if whole_cpu_s:
        shown.insert(1, ("percent", SHARE, "share"))
        rows = [{**row, SHARE: (row.get("own_cpu_s") or 0) / whole_cpu_s} for row in rows]
    files: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for row in rows:
        files.setdefault(row["file"], {}).setdefault(row["line"] or 0, []).append(row)
    estimated = frozenset(key.removesuffix("_error") for row in rows for key in row if key.endswith("_error"))
    if _room(shown, estimated, style) < SOURCE_MIN:
        shown = [column for column in shown if column[1] != SHARE]
    narrow = [c["title"] for c in columns if c["in_text"] is not None and c["key"] not in ("line", *(key for _, key, _ in shown))]
    if whole_cpu_s and SHARE not in (key for _, key, _ in shown):
        narrow.append("percent")
    legend = "\n" + style.paint(doubt_legend(is_ascii=style.is_ascii), "dim") if estimated else ""
    if narrow:
        legend = (legend or "\n") + style.paint(wrap(f"A wider window, or --width {BROADEST}, has {', '.join(narrow)}, too.", style), "dim") + "\n"
    return "\n".join(_file(file, lines, shown, style, texts, estimated) for file, lines in files.items()) + legend


def _file(
    file: str, lines: dict[int, list[dict[str, Any]]], columns: list[tuple[str, str, str]], style: Style, texts: SourceTexts, estimated: frozenset[str]
) -> str:
    unknown = [row for row in lines.pop(0, []) if any(row.get(key) for _, key, _ in columns)]
    found = texts.read(file)
    source = [line.expandtabs(4) for line in lines_of(found.text)]
    hottest = max((row["own_cpu_s"] or 0 for found in [*lines.values(), unknown] for row in found), default=0)
    titles = " ".join(f"{title:>{CELL}}" + " " * (DOUBT if key in estimated else 0) for title, key, _ in columns)
    head = f"{'line':>6} {titles}  " + ("source" if source else "function")
    written = [style.paint(safe(file), "bold"), style.paint(head, "dim")]
    last = 0
    for number in _shown(lines, len(source)):
        if last and number > last + 1:
            written.append(style.paint(f"{'...':>6}", "dim"))
        last = number
        code = source[number - 1] if 0 < number <= len(source) else ""
        written += _rows(str(number), lines.get(number, [{}]), code, hottest, columns, style, estimated)
    for row in unknown:
        written += _rows("?", [row], f"{row['function']} {LINE_UNKNOWN}", hottest, columns, style, estimated)
    if found.note:
        written.append(style.paint(f"({found.note})", "yellow" if source else "dim"))
    return "\n".join(written) + "\n"


def _room(columns: list[tuple[str, str, str]], estimated: frozenset[str], style: Style) -> int:
    """Columns that are left for the source."""
    return style.width - 6 - 1 - len(columns) * (CELL + 1) - sum(DOUBT for _, key, _ in columns if key in estimated) - 1


def _shown(lines: dict[int, Any], length: int) -> list[int]:
    """The lines that did something, with some around them where there is source."""
    shown = set(lines)
    for number in lines:
        shown |= set(range(max(1, number - CONTEXT), min(length, number + CONTEXT) + 1))
    return sorted(shown)


def _rows(
    number: str, found: list[dict[str, Any]], code: str, hottest: float, columns: list[tuple[str, str, str]], style: Style, estimated: frozenset[str]
) -> list[str]:
    """One text line a row: two functions may share a line (a lambda)."""
    written = []
    for i, row in enumerate(found):
        cells = " ".join(_cell(row, key, unit, style, key in estimated) for _, key, unit in columns)
        share = (row.get("own_cpu_s") or 0) / hottest if hottest else 0
        colour = ["red"] if share >= 0.5 else ["yellow"] if share >= 0.1 else []
        text = code if code and not i else row.get("function", "")
        room = max(SOURCE_MIN, _room(columns, estimated, style))
        line = f"{number:>6} {style.paint(cells, *colour)}  {cut_end(safe(text), room, style.is_ascii)}"
        written.append(line.rstrip())
    return written


def _cell(row: dict[str, Any], key: str, unit: str, style: Style, is_estimate: bool) -> str:
    if key == SHARE:
        return f"{f'{100 * row[key]:.1f} %' if row.get(key, 0) >= 0.0005 else '':>{CELL}}"
    is_empty = row.get(key, 0) == 0
    doubt = f"{'' if is_empty else doubt_of(row, key, is_ascii=style.is_ascii):>{DOUBT}}" if is_estimate else ""
    return f"{'' if is_empty else text_of(row[key], unit):>{CELL}}" + doubt
