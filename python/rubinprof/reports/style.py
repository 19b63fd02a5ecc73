"""Colour, bars and aligned columns for a terminal; plain text where nobody looks.

Colours are the sixteen of the terminal's own theme, so that they can be read on a light and on a dark one, and never say
anything that the text does not say too.
"""

import os
import re
import textwrap
import unicodedata
from typing import NamedTuple, TextIO

from rubinprof.reports import terminal

__all__ = ["Column", "Style", "table"]

CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36"}
EIGHTHS = " ▏▎▍▌▋▊▉█"
HEIGHTS = "·▁▂▃▄▅▆▇█"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Style:
    """How text is dressed for one stream.

    ``NO_COLOR`` (https://no-color.org) and ``TERM=dumb`` ask for none, ``FORCE_COLOR`` for colour in a pipe too.
    """

    def __init__(self, stream: TextIO, width: int = 0):
        self.width = width or terminal.width(stream)
        self.is_ascii = terminal.needs_ascii(stream)
        self.has_colour = wants_colour(stream)

    def paint(self, text: str, *words: str) -> str:
        """The text in these colours: words of `CODES`."""
        if not self.has_colour or not words or not text:
            return text
        return f"\x1b[{';'.join(CODES[word] for word in words)}m{text}\x1b[0m"

    def bar(self, share: float, cells: int) -> str:
        """A bar of this share of so many cells, padded to them."""
        share = min(1.0, max(0.0, share))
        if self.is_ascii:
            return f"{'#' * round(share * cells):<{cells}}"
        eighths = round(share * cells * 8)
        text = "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")
        return f"{text:<{cells}}"

    def steps(self, values: list[float]) -> str:
        """A column a value, as high as its share of the largest."""
        top = max(values, default=0) or 1
        levels = " .:#" if self.is_ascii else HEIGHTS
        return "".join(levels[0] if v <= 0 else levels[max(1, round(v / top * (len(levels) - 1)))] for v in values)


def wants_colour(stream: TextIO) -> bool:
    """Whether to colour what goes to the stream."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return terminal.is_terminal(stream) and os.environ.get("TERM") != "dumb"


class Column(NamedTuple):
    """A column of a table: its title, to which side it is aligned, and whether it gives way when the line is too long.

    A column that gives way loses the front of its text, where a path is the least telling.
    """

    title: str
    is_text: bool = False
    gives_way: bool = False


def table(style: Style, columns: list[Column], rows: list[list[str | tuple[str, ...]]]) -> str:
    """Lines of aligned columns.

    A cell is a text, or a text followed by the words of its colours.
    """
    cells = [[(cell,) if isinstance(cell, str) else cell for cell in row] for row in rows]
    cells = [[(safe(cell[0]), *cell[1:]) for cell in row] for row in cells]
    widths = [max([text_width(column.title), *(text_width(row[i][0]) for row in cells)]) for i, column in enumerate(columns)]
    _give_way(style, columns, widths)
    lines = [_line(style, columns, widths, [(column.title, "dim") for column in columns])]
    lines += [_line(style, columns, widths, row) for row in cells]
    return "\n".join(lines) + "\n"


def _give_way(style: Style, columns: list[Column], widths: list[int]) -> None:
    over = sum(widths) + 2 * (len(columns) - 1) - style.width
    yielding = [i for i, column in enumerate(columns) if column.gives_way]
    while over > 0 and any(widths[i] > 12 for i in yielding):
        widest = max(yielding, key=lambda i: widths[i])
        widths[widest] -= 1
        over -= 1


def _line(style: Style, columns: list[Column], widths: list[int], row: list[tuple[str, ...]]) -> str:
    made = []
    for column, width, (text, *colours) in zip(columns, widths, row, strict=True):
        text = cut(text, width, style.is_ascii)
        space = " " * (width - text_width(text))
        painted = style.paint(text, *colours)
        made.append(painted + space if column.is_text else space + painted)
    return "  ".join(made).rstrip()


def wrap(text: str, style: Style) -> str:
    """A sentence in as many lines as the window needs."""
    return textwrap.fill(text, style.width, break_long_words=False, break_on_hyphens=False)


def cut(text: str, width: int, is_ascii: bool = False) -> str:
    """The end of a text that is too long, after a mark."""
    if text_width(text) <= width:
        return text
    mark = "..." if is_ascii else "…"
    kept, room = [], width - len(mark)
    for character in reversed(text):
        room -= text_width(character)
        if room < 0:
            break
        kept.append(character)
    return mark + "".join(reversed(kept))


def cut_end(text: str, width: int, is_ascii: bool = False) -> str:
    """The begin of a text that is too long, before a mark."""
    if text_width(text) <= width:
        return text
    mark = "..." if is_ascii else "…"
    kept, room = [], width - len(mark)
    for character in text:
        room -= text_width(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + mark


def safe(text: str) -> str:
    """What a trace holds must not steer the terminal: control and direction characters are written out."""
    return _UNSAFE.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def text_width(text: str) -> int:
    """Cells that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
