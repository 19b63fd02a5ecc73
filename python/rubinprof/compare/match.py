"""Which row of one trace is the same function, line, file or library as which of another.

Paths differ between two check-outs or two machines, line numbers between two versions, and library names between two Pythons. So a
Python function is its name and its file, files that only one side has are paired where they are the same file of another tree
(`rubinprof.compare.file_pairs`), a line is its distance from its ``def``, and a native function is its name and its library's name without
version. Functions of one name in one file are told apart by where they begin (`rubinprof.compare.def_pairs`), whichever of them a run used;
native ones of one name in one library by their file.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from rubinprof.compare.def_pairs import pair_defs
from rubinprof.compare.file_pairs import pair_files

__all__ = ["Matcher", "library_name"]

Row = dict[str, Any]
_VERSION_TAG = re.compile(r"\.(?:cpython-|abi3|so\b|dylib\b|pyd\b|dll\b).*|-[0-9a-f]{8}\b")


class Matcher:
    """Gives rows the keys by which those of all runs meet.

    Parameters
    ----------
    a, b : `~collections.abc.Iterable` [`dict`]
        Every function that some run of the side saw, as rows of the report "table" by function.
    """

    def __init__(self, a: Iterable[Row], b: Iterable[Row]):
        sides = list(a), list(b)
        self._file = pair_files(*(_names_by_file(side) for side in sides))
        defs_a, defs_b = (self._defs(side) for side in sides)
        # By file of B and name: the line of B under which a line of A is known. Lines of B are known under themselves.
        self._line: dict[tuple[str, str], dict[int, Any]] = {}
        for file, names in defs_a.items():
            pairs = pair_defs(names, defs_b.get(file, {}))
            self._line |= {(file, name): {line: pairs[name].get(line, ("a", line)) for line in lines} for name, lines in names.items()}
        self._shared = set().union(*(_shared_names(side) for side in sides))

    def file(self, path: str) -> str:
        """The name under which both sides have the file: that of B."""
        return self._file.get(path, path)

    def keys(self, rows: list[Row], by: str, side: int) -> list[tuple]:
        """The key of each row of one run, of side 0 (A) or 1 (B). What no key tells apart is so by its order."""
        bare = [self._bare_key(row, by, side) for row in rows]
        often = {key for key, n in Counter(bare).items() if n > 1}
        if not often:
            return [(*key, 0) for key in bare]
        order: dict[tuple, list[int]] = defaultdict(list)
        for place, key in enumerate(bare):
            if key in often:
                order[key].append(place)
        rank = dict.fromkeys(range(len(rows)), 0)
        for places in order.values():
            for i, place in enumerate(sorted(places, key=lambda place: (rows[place]["line"] or 0, place))):
                rank[place] = i
        return [(*key, rank[place]) for place, key in enumerate(bare)]

    def _bare_key(self, row: Row, by: str, side: int) -> tuple:
        if by == "file":
            return ((self.file(row["file"]) if side == 0 else row["file"]) or row["module"],)
        if by == "module":
            return (library_name(row["module"]),)
        if row["kind"] == "native":
            key = _native_key(row)
            return (*key, _base_name(row["file"]) if key in self._shared else "", row["line"] if by == "line" else 0)
        file = self.file(row["file"]) if side == 0 else row["file"]
        begin = row["def_line"] if by == "line" else row["line"]
        known = self._line.get((file, row["function"]), {}).get(begin, begin) if side == 0 else begin
        return ("python", row["function"], file, known, _distance(row["line"], begin) if by == "line" else 0)

    def _defs(self, rows: list[Row]) -> dict[str, dict[str, set[int]]]:
        """By file of B: the names that begin in it, and the lines of each."""
        found: dict[str, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        for row in rows:
            if row["kind"] == "python" and row["line"] is not None:
                found[self.file(row["file"])][row["function"]].add(row["line"])
        return found


def _distance(line: int | None, begin: int | None) -> int | None:
    return None if line is None or begin is None else line - begin


def library_name(module: str) -> str:
    """``libfoo-3ab1c2d4.so.1`` and ``libfoo.so.2`` are both ``libfoo``."""
    return _VERSION_TAG.sub("", os.path.basename(module)) or module


def _native_key(row: Row) -> tuple:
    return ("native", row["function"], library_name(row["module"]), row["inlined"])


def _base_name(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def _shared_names(rows: list[Row]) -> set[tuple]:
    """Native functions of one name and library that lie in several files."""
    files: dict[tuple, set[str]] = defaultdict(set)
    for row in rows:
        if row["kind"] == "native" and row["file"]:
            files[_native_key(row)].add(_base_name(row["file"]))
    return {key for key, names in files.items() if len(names) > 1}


def _names_by_file(rows: list[Row]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row["kind"] == "python" and row["file"]:
            found[row["file"]].add(row["function"])
    return found
