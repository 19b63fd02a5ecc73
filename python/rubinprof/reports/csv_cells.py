"""CSV whose cells no spreadsheet runs: names of a traced program can look like formulas."""

import csv
import re
from collections.abc import Iterable
from typing import Any, TextIO

__all__ = ["write_rows"]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# What Excel and LibreOffice take for the beginning of a formula.
_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_rows(stream: TextIO, rows: Iterable[Iterable[Any]]) -> None:
    """Write rows of cells; a text that begins like a formula gets an apostrophe in front, control characters become blanks, as in the analyzer's own CSV."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerows([_harmless(cell) for cell in row] for row in rows)


def _harmless(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    text = _CONTROLS.sub(" ", cell)
    return f"'{text}" if cell.startswith(_STARTS) else text
