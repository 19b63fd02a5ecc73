"""Which row of one trace is the same function, line, file or library as which of another.

Paths differ between two check-outs or two machines, line numbers between two versions, and library names between two Pythons. So a
Python function is its name and its file, files that only one side has are paired by the longest common end of their paths, a line is
its distance from its ``def``, and a native function is its name and its library's name without version. Functions of one name in one
file are told apart by their order.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

__all__ = ["Matcher"]

Row = dict[str, Any]
_VERSION_TAG = re.compile(r"\.(?:cpython-|abi3|so\b|dylib\b|pyd\b|dll\b).*|-[0-9a-f]{8}\b")


class Matcher:
    """Gives rows the keys by which those of all runs meet.

    Parameters
    ----------
    files_a, files_b : `~collections.abc.Iterable` [`str`]
        The source files of Python rows on each side.
    """

    def __init__(self, files_a: Iterable[str], files_b: Iterable[str]):
        self._file = _pair_files(set(files_a), set(files_b))

    def file(self, path: str) -> str:
        """The name under which both sides have the file: that of B."""
        return self._file.get(path, path)

    def keys(self, rows: list[Row], by: str) -> list[tuple]:
        """The key of each row of one run."""
        bare = [self._bare_key(row, by) for row in rows]
        often = {key for key, n in Counter(bare).items() if n > 1}
        if not often:
            return [(*key, 0) for key in bare]
        order: dict[tuple, list[int]] = defaultdict(list)
        for place, key in enumerate(bare):
            if key in often:
                order[key].append(place)
        rank = dict.fromkeys(range(len(rows)), 0)
        for places in order.values():
            for i, place in enumerate(sorted(places, key=lambda place: (rows[place]["line"], place))):
                rank[place] = i
        return [(*key, rank[place]) for place, key in enumerate(bare)]

    def _bare_key(self, row: Row, by: str) -> tuple:
        if by == "file":
            return (self.file(row["file"]) or row["module"],)
        if by == "module":
            return (library_name(row["module"]),)
        if row["kind"] == "native":
            return ("native", row["function"], library_name(row["module"]), row["inlined"], row["line"] if by == "line" else 0)
        return ("python", row["function"], self.file(row["file"]), row["line"] - row["def_line"] if by == "line" else 0)


def library_name(module: str) -> str:
    """``libfoo-3ab1c2d4.so.1`` and ``libfoo.so.2`` are both ``libfoo``."""
    return _VERSION_TAG.sub("", os.path.basename(module)) or module


def _pair_files(a: set[str], b: set[str]) -> dict[str, str]:
    only_a, only_b = a - b, b - a
    by_name = defaultdict(list)
    for path in sorted(only_b):
        by_name[path.replace("\\", "/").rsplit("/", 1)[-1]].append(path)
    scored = [
        (-_common_end(path, other), path, other)
        for path in only_a
        for other in by_name.get(path.replace("\\", "/").rsplit("/", 1)[-1], [])
    ]
    pairs: dict[str, str] = {}
    taken: set[str] = set()
    for _, path, other in sorted(scored):
        if path not in pairs and other not in taken:
            pairs[path] = other
            taken.add(other)
    return pairs


def _common_end(a: str, b: str) -> int:
    """How many parts of two paths are the same, from the end."""
    n = 0
    for x, y in zip(reversed(re.split(r"[/\\]", a)), reversed(re.split(r"[/\\]", b)), strict=False):
        if x != y:
            break
        n += 1
    return n
