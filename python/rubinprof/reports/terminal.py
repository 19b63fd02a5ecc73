"""What a stream can show, and a progress bar for it. The reports themselves are written by the analyzer."""

import os
import sys
import time
from typing import TextIO

WIDTH_PIPED = 1000  # names are whole: what reads them has no window
WIDTH_MAX = 200  # wider than this the eye loses the row
PROGRESS_AFTER_S = 1.0  # a step that is done sooner shows no bar
BAR_CELLS = 24


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at the stream."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def width(stream: TextIO, *, beyond_pipe: bool = False) -> int:
    """Columns to fill: those of the window, else as many as names need.

    With ``beyond_pipe`` a pipe has those of the window, too, as long as errors go to one: ``regions | head`` is read there.
    """
    if is_terminal(stream):
        return _window(stream)
    return _window(sys.stderr) if beyond_pipe and is_terminal(sys.stderr) else WIDTH_PIPED


def _window(stream: TextIO) -> int:
    try:
        columns = int(os.environ.get("COLUMNS") or os.get_terminal_size(stream.fileno()).columns)
    except (ValueError, OSError):
        columns = 80
    return min(WIDTH_MAX, max(40, columns))


def needs_ascii(stream: TextIO) -> bool:
    """Whether the stream cannot carry the characters that draw a tree."""
    try:
        "│├└─µ…".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False


class Progress:
    """A bar on stderr while files are read: shown to people only, after a second only, and wiped when done."""

    def __init__(self, what: str, stream: TextIO | None = None):
        self.what = what
        self.stream = sys.stderr if stream is None else stream
        self.started = time.monotonic()
        self.is_shown = False
        self.is_wanted = is_terminal(self.stream) and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.is_shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()
            self.is_shown = False

    def __call__(self, done: int, total: int) -> None:
        elapsed = time.monotonic() - self.started
        if not self.is_wanted or total <= 0 or elapsed < PROGRESS_AFTER_S:
            return
        share = min(1.0, done / total)
        left = f", {elapsed / share - elapsed:.0f} s left" if share > 0.01 else ""
        filled = round(share * BAR_CELLS)
        self.stream.write(f"\r{self.what} [{'#' * filled:<{BAR_CELLS}}] {share:4.0%}{left}\x1b[K")
        self.stream.flush()
        self.is_shown = True
