"""The metrics by name: the keys under which the reports give them, and their units. The analyzer has the list (csrc/report/metric.c)."""

import json
import math
import re
from typing import Any, NamedTuple

from rubinprof import _analyze

__all__ = ["MAPPED", "METRICS", "SAMPLING_Z", "Metric", "doubt_legend", "doubt_of", "error_of", "parse_quantity", "text_of"]

SAMPLING_Z = 1.959964  # 95 %


class Metric(NamedTuple):
    """One metric.

    ``stats`` is its key in the report "stats" (`None` where it has none), ``own`` and ``total`` are its keys in rows
    of "table", ``column`` is its column in "flame", ``unit`` is "s", "bytes" or "count", ``title`` is for
    people.
    """

    name: str
    stats: str | None
    own: str
    total: str | None
    column: str
    unit: str
    title: str


def _metric(row: dict[str, Any]) -> Metric:
    key = row["key"]
    total = f"total_{key}" if row["has_total"] else None
    return Metric(row["word"], key if row["in_stats"] else None, f"self_{key}" if row["has_self"] else key, total, row["word"], row["unit"], row["title"])


_TABLE = json.loads(_analyze.METRICS)
METRICS = {row["word"]: _metric(row) for row in _TABLE if row["in_tree"]}
# By which rows of a table may be ranked, beside these.
MAPPED = [row["word"] for row in _TABLE if not row["in_tree"]]

# Bytes are in powers of 1024 whatever the spelling, as the reports print them.
UNITS = {
    "s": {"": 1.0, "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0},
    "bytes": {"": 1.0, "b": 1.0}
    | {prefix + ending: 1024.0**power for power, prefix in enumerate("kmgt", 1) for ending in ("", "b", "ib")},
    "count": {"": 1.0, "k": 1e3, "m": 1e6},
}
_QUANTITY = re.compile(r"\s*(\d+(?:[_,]\d{3})*(?:\.\d+)?|\.\d+)\s*([a-zA-Zµ]*)\s*")


def parse_quantity(text: str, unit: str) -> float:
    """Read ``"64 MB"``, ``"1.5 s"``, ``"1,000"``.

    Parameters
    ----------
    text : `str`
        A number without sign, and a word of the unit.
    unit : `str`
        "s", "bytes" or "count": what the number is of when it stands alone.

    Raises
    ------
    ValueError
        Raised when it is none; the text is a sentence.
    """
    found = _QUANTITY.fullmatch(text)
    words = UNITS[unit]
    if not found or found[2].lower() not in words:
        known = ", ".join(word for word in words if word)
        raise ValueError(f"{text.strip()!r} is no amount of {'time' if unit == 's' else unit}; units: {known}")
    return float(found[1].replace("_", "").replace(",", "")) * words[found[2].lower()]


def error_of(row: dict[str, Any], key: str) -> float | None:
    """Half of the 95 % interval around a figure of a report: `None` where it is exact, infinite where nobody knows (`null` there).

    Parameters
    ----------
    row : `dict`
        A row of a report, or the report "stats".
    key : `str`
        The figure's; its error is under ``KEY_error``, which exact figures do not have.
    """
    error = row.get(f"{key}_error", 0)
    return math.inf if error is None else error or None


def doubt_legend(*, is_ascii: bool = False) -> str:
    """What the words of `doubt_of` mean, as a line."""
    return f"{'+-' if is_ascii else '±'}: half the 95 % interval; vague: too vague to use, as large as the figure\n"


def doubt_of(row: dict[str, Any], key: str, *, is_ascii: bool = False) -> str:
    """What stands beside a figure that is an estimate: ``±34%``; ``vague`` where the error is as large as the figure; nothing where it is exact.

    Parameters
    ----------
    row : `dict`
        A row of a report.
    key : `str`
        The figure's; its error is under ``KEY_error``, which exact figures do not have.
    is_ascii : `bool`, optional
        Without the sign ±.
    """
    sign = "+-" if is_ascii else "±"
    if row.get(key) is None or key + "_error" not in row:
        return ""
    figure, error = row[key], row[key + "_error"]
    if error is None:
        return sign + "?"
    if error <= 0:
        return ""
    return "vague" if error >= abs(figure) else f"{sign}{int(100 * error / abs(figure) + 1)}%"


def text_of(value: float | None, unit: str, *, signed: bool = False) -> str:
    """Write a figure for people, in the way of the analyzer: ``1.23 s``, ``45.6 MiB``, ``1,234``; ``?`` for what nobody measured."""
    if value is None:
        return "?"
    sign = "-" if value < 0 else "+" if signed and value > 0 else ""
    value = abs(value)
    if unit == "count":
        return f"{sign}{value:,.0f}" if value == round(value) else f"{sign}{value:,.1f}"
    if value == 0:
        return "0 s" if unit == "s" else "0 B"
    if unit == "s":
        scale, word = next(((s, w) for s, w in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")) if value >= s), (1e-9, "ns"))
    else:
        words = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
        place = next((i for i in range(len(words)) if value < 1024.0 ** (i + 1)), len(words) - 1)
        scale, word = 1024.0**place, words[place]
    value /= scale
    digits = 0 if word in ("B", "ns") or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{sign}{value:.{digits}f} {word}"
