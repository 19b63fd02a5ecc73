"""Files that only one of two runs has: which is the same file in another tree (a check-out, a machine, a Python), and which is another one.

``v1/io.py`` and ``v2/io.py`` are one file when the whole tree has moved. ``alpha/__init__.py`` and ``beta/__init__.py`` of one tree are two, of
which each run used one: then other files of that tree are the same on both sides.
"""

import re
from collections import defaultdict
from collections.abc import Mapping

__all__ = ["pair_files"]

Parts = tuple[str, ...]
SHARED_NAMES_MIN = 3  # function names in common that say "a copy" where the tree has not moved; fewer agree by chance (main, run)
_INSTALLED = re.compile(r"site-packages|dist-packages|python\d[\d.]*")  # what lies in there is no part of the tree around it


def pair_files(a: Mapping[str, set[str]], b: Mapping[str, set[str]]) -> dict[str, str]:
    """Pair the files of two sides.

    Parameters
    ----------
    a, b : `~collections.abc.Mapping` [`str`, `set` [`str`]]
        By path, the names of the functions that the side saw in it.

    Returns
    -------
    pairs : `dict` [`str`, `str`]
        Files of ``a`` alone, each with its counterpart: a file of ``b`` alone.
    """
    parts = {path: tuple(re.split(r"[/\\]", path)) for path in {*a, *b}}
    by_name = defaultdict(list)
    for path in sorted(b.keys() - a.keys()):
        by_name[parts[path][-1]].append(path)
    candidates = [
        (-_common_end(parts[path], parts[other]), path, other) for path in a.keys() - b.keys() for other in by_name[parts[path][-1]]
    ]
    trees = _Trees(a, b, parts)
    pairs: dict[str, str] = {}
    taken: set[str] = set()
    for common, path, other in sorted(candidates):
        if path not in pairs and other not in taken and trees.have_moved(parts[path][:common], parts[other][:common]):
            pairs[path] = other
            taken.add(other)
    return pairs


def _common_end(a: Parts, b: Parts) -> int:
    """How many parts of two paths are the same, from the end."""
    n = 0
    for x, y in zip(reversed(a), reversed(b), strict=False):
        if x != y:
            break
        n += 1
    return n


class _Trees:
    """Whether a directory of A is a directory of B in another place. Answers are kept: thousands of files ask about the same two."""

    def __init__(self, a: Mapping[str, set[str]], b: Mapping[str, set[str]], parts: Mapping[str, Parts]):
        self._names = [{parts[path]: _own_names(names) for path, names in side.items()} for side in (a, b)]
        self._both = [parts[path] for path in a.keys() & b.keys()]
        self._known: dict[tuple[Parts, Parts], bool] = {}

    def have_moved(self, a: Parts, b: Parts) -> bool:
        if (a, b) not in self._known:
            self._known[a, b] = not self._are_side_by_side(a, b) or self._are_copies(a, b)
        return self._known[a, b]

    def _are_side_by_side(self, a: Parts, b: Parts) -> bool:
        """Parts of one tree, as far as one can see: a run used both, or both runs used what stands beside them."""
        if any(path[: len(a)] == a for path in self._names[1]) or any(path[: len(b)] == b for path in self._names[0]):
            return True
        n = 0
        while n < min(len(a), len(b)) and a[n] == b[n]:
            n += 1
        # Below "/" everything stands beside everything.
        return n > 1 and any(path[:n] == a[:n] and not any(map(_INSTALLED.fullmatch, path[n:])) for path in self._both)

    def _are_copies(self, a: Parts, b: Parts) -> bool:
        of_a, of_b = (
            {(path[len(top) :], name) for path, names in side.items() if path[: len(top)] == top for name in names}
            for top, side in zip((a, b), self._names, strict=True)
        )
        return len(of_a & of_b) >= max(SHARED_NAMES_MIN, min(len(of_a), len(of_b)) / 2)


def _own_names(names: set[str]) -> set[str]:
    return {name for name in names if not name.endswith(">")}
