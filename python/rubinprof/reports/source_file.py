"""Text of the source files that a trace names: from inside the trace, else as far as they lie here."""

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rubinprof.trace import Trace

__all__ = ["Source", "SourceTexts", "read"]

SOURCE_BYTES_MAX = 2_000_000  # a longer one is generated, and nobody reads it
ENDINGS = (".py", ".pyx", ".pyi", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx")


class Source(NamedTuple):
    """Text of a file, and what a reader should know of it ("" when it is what ran, as far as can be told)."""

    text: str
    note: str = ""


class SourceTexts:
    """The source files of one trace.

    Parameters
    ----------
    trace : `Trace`
        The trace. Text that was captured with it comes before what lies here now.
    """

    def __init__(self, trace: "Trace"):
        self._captured = {row["file"]: row for row in trace.sources() if row["whole"]}
        self._start_s = trace.stats()["start_s"]

    def read(self, path: str) -> Source:
        """The text of a file; an empty one when it cannot be had."""
        captured = self._captured.get(path)
        if captured is None:
            text = read(path)
            return Source(text, "changed here since the run began: lines may not match" if text and self._is_younger(path) else "")
        text = _plain(captured["text"])
        if captured["differs"]:
            return Source(text, "processes of this run read different texts of this file: this is the first")
        if captured["changed_s"] > self._start_s > 0:
            return Source(text, "changed while the program ran: lines may not match")
        here = read(path)
        return Source(text, "as it was when the run was traced; the file here is different now" if here and here != text else "")

    def _is_younger(self, path: str) -> bool:
        try:
            return os.path.getmtime(path) > self._start_s > 0
        except OSError:
            return False


def read(path: str) -> str:
    """Text of a source file that lies here; "" when it cannot be had.

    A trace is untrusted: only plain source files are read, and only by their whole path.
    """
    if not os.path.isabs(path) or not path.endswith(ENDINGS):
        return ""
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > SOURCE_BYTES_MAX:
            return ""
        with open(path, encoding="utf-8", errors="replace", newline=None) as file:
            return file.read()
    except OSError:
        return ""


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
