"""Text of the source files that a trace names: from inside the trace, else as far as they lie here."""

import io
import linecache
import os
import tokenize
import zipfile
from typing import TYPE_CHECKING, Any, NamedTuple

from rubinprof import _analyze

if TYPE_CHECKING:
    from rubinprof.trace import Trace

__all__ = ["Source", "SourceTexts", "decode", "lines_of"]

SOURCE_BYTES_MAX = 2_000_000  # a longer one is generated, and nobody reads it
ENDINGS = (".py", ".pyx", ".pyi", ".c", ".cc", ".cpp", ".cxx", ".h", ".hh", ".hpp", ".hxx")
CHANGED = "changed here since the run began: lines may not match"


class Source(NamedTuple):
    """Text of a file, its lines ended by ``\\n``, and what a reader should know of it ("" when it is what ran, as far as can be told)."""

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
        found = trace._json("sources")
        self._captured = {row["file"]: row for row in found["sources"] if row["whole"]}
        self._sums = {row["file"]: row for row in found["sums"]}
        stats = trace.stats()
        self._start_s, self._cwd = stats["start_s"], stats["meta"].get("cwd", "")
        self._was_asked = stats["meta"].get("mode.sources") == "1"
        self._is_own = os.getpid() in {process["pid"] for process in stats["by_process"]}

    def read(self, path: str) -> Source:
        """The text of a file. Of one whose text cannot be had it is empty, and the note says why."""
        captured = self._captured.get(path)
        if captured is None:
            return self._read_here(path)
        raw = _bytes_of(captured)
        if captured["differs"]:
            note = "processes of this run read different texts of this file: this is the first"
        elif captured["changed_s"] > self._start_s > 0:
            note = "changed while the program ran: lines may not match"
        else:
            here = _read(self._whole_path(path))
            note = "as it was when the run was traced; the file here is different now" if here and here != raw else ""
        return Source(decode(raw, path), note)

    def _read_here(self, path: str) -> Source:
        raw = _read(self._whole_path(path))
        if raw is None:
            # Code that is no file: a notebook's cells, while the notebook that ran them is open.
            kept = linecache.cache.get(path) if self._is_own else None
            return Source("".join(kept[2])) if kept and len(kept) == 4 else Source("", self._why_not(path))
        sum_ = self._sums.get(path)
        if sum_ is None:
            note = CHANGED if self._is_younger(path) else ""
        elif sum_["differs"]:
            note = "processes of this run read different texts of this file: lines may not match"
        else:
            note = "" if (sum_["bytes"], sum_["crc32c"]) == (len(raw), _analyze.crc32c(raw)) else CHANGED
        return Source(decode(raw, path), note)

    def _why_not(self, path: str) -> str:
        if path.startswith("<frozen "):
            return "a part of Python itself, whose source is not here"
        if path.startswith("<ipython-input-") or "/ipykernel_" in path:
            return "a cell of a notebook: its source is in the notebook"
        if path.startswith("<"):
            return "code of a string, not of a file: it has no source"
        if self._was_asked:
            return "its source is neither in the trace, where it found no room or could not be read, nor here"
        return "its source is neither in the trace nor here; `rubinprof run --sources` keeps it"

    def _whole_path(self, path: str) -> str:
        """A relative path is from where the program started: there it was found."""
        return path if os.path.isabs(path) or path.startswith("<") else os.path.join(self._cwd, path)

    def _is_younger(self, path: str) -> bool:
        try:
            return os.path.getmtime(_file_of(self._whole_path(path))) > self._start_s > 0
        except OSError:
            return False


def lines_of(text: str) -> list[str]:
    """The lines as Python counts them: `str.splitlines` would end one at a form feed, too."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def decode(raw: bytes, path: str) -> str:
    """Text of a source file, in the encoding that it declares; UTF-8 where it is none."""
    encoding = "utf-8-sig"
    if path.endswith((".py", ".pyx", ".pyi")):
        try:
            encoding = tokenize.detect_encoding(io.BytesIO(raw).readline)[0]
            text = raw.decode(encoding, "replace")
        except (SyntaxError, LookupError, ValueError):  # no such encoding, or no text
            encoding = "utf-8-sig"
    text = raw.decode(encoding, "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _bytes_of(captured: dict[str, Any]) -> bytes:
    """A file's bytes, of a row of the report "sources"."""
    return captured["latin1"].encode("latin-1") if "latin1" in captured else captured["text"].encode()


def _file_of(path: str) -> str:
    """The file itself, or the archive that it is a member of; "" for none."""
    while path and not os.path.isfile(path):
        above = os.path.dirname(path)
        if above == path or os.path.isdir(above):
            return ""
        path = above
    return path


def _read(path: str) -> bytes | None:
    """A source file that lies here, or in an archive here; `None` when it cannot be had.

    A trace is untrusted: only plain source files are read, and only by their whole path.
    """
    if not os.path.isabs(path) or not path.endswith(ENDINGS):
        return None
    try:
        file = _file_of(path)
        if not file:
            return None
        if file != path:
            return _read_member(file, os.path.relpath(path, file).replace(os.sep, "/"))
        if os.path.getsize(file) > SOURCE_BYTES_MAX:
            return None
        with open(file, "rb") as stream:
            return stream.read(SOURCE_BYTES_MAX)
    except (OSError, ValueError):
        return None


def _read_member(archive: str, name: str) -> bytes | None:
    try:
        with zipfile.ZipFile(archive) as opened:
            member = opened.getinfo(name)
            return opened.read(member) if member.file_size <= SOURCE_BYTES_MAX else None
    except (KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zipfile.LargeZipFile):
        return None
