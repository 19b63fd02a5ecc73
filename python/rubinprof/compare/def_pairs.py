"""Functions of one file in two versions: which ``def`` of the one is which of the other, by name and line.

A run sees only the functions that it used, so their order says nothing. A line that is the same says that they are; where the text above
has grown or shrunk, functions whose name is theirs alone (the landmarks) say by how much.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["pair_defs"]


def pair_defs(a: Mapping[str, Iterable[int]], b: Mapping[str, Iterable[int]]) -> dict[str, dict[int, int]]:
    """Pair the functions that two runs saw in one file.

    Parameters
    ----------
    a, b : `~collections.abc.Mapping` [`str`, `~collections.abc.Iterable` [`int`]]
        By name, the first line of each function.

    Returns
    -------
    pairs : `dict` [`str`, `dict` [`int`, `int`]]
        For each name of ``a``: its lines that have a counterpart, and the counterpart's line. Each line of ``b`` at most once.
    """
    landmarks = _Landmarks(a, b)
    return {name: _pair(sorted(lines), sorted(b.get(name, ())), landmarks.without(name)) for name, lines in a.items()}


class _Landmarks:
    """Named functions that each side has once: ``at`` are their lines in A, ``shifts`` how far each has moved."""

    def __init__(self, a: Mapping[str, Iterable[int]], b: Mapping[str, Iterable[int]]):
        once = {name: (*lines, *b[name]) for name, lines in a.items() if name in b and len(set(lines)) == len(set(b[name])) == 1}
        # "<module>" is at the top of any version, and "<lambda>" is not a name of one's own.
        known = sorted((begin, end - begin, name) for name, (begin, end) in once.items() if not name.endswith(">"))
        for i in reversed(range(1, len(known) - 1)):
            before, own, after = (known[j][1] for j in (i - 1, i, i + 1))
            if before == after != own:  # another function of this name, such as the setter where the getter was
                del known[i]
        self.at, self.shifts = [at for at, _, _ in known], [shift for _, shift, _ in known]
        self._place = {name: i for i, (_, _, name) in enumerate(known)}

    def without(self, name: str) -> "_Landmarks":
        """The others: nothing is its own landmark."""
        place = self._place.get(name)
        if place is None:
            return self
        others = _Landmarks({}, {})
        others.at = self.at[:place] + self.at[place + 1 :]
        others.shifts = self.shifts[:place] + self.shifts[place + 1 :]
        return others

    def around(self, line: int) -> tuple[int | None, int | None]:
        """How far the nearest landmarks above and below a line of A have moved; `None` where there is none."""
        above, below = bisect_right(self.at, line) - 1, bisect_left(self.at, line)
        return self.shifts[above] if above >= 0 else None, self.shifts[below] if below < len(self.at) else None


def _pair(a: list[int], b: list[int], landmarks: _Landmarks) -> dict[int, int]:
    pairs: dict[int, int] = {}
    for line in a:
        above, below = landmarks.around(line)
        for shift in (above or 0, below or 0, 0):
            if line + shift in b and line + shift not in pairs.values():
                pairs[line] = line + shift
                break
    if not pairs:
        pairs = _moved_together(a, b)
    return pairs | _in_gaps(a, b, pairs, landmarks)


def _moved_together(a: list[int], b: list[int]) -> dict[int, int]:
    """Where no landmark helps: the shift that most of them agree on, if two do."""
    votes = Counter(y - x for x in a for y in b) if len(a) * len(b) <= 10_000 else Counter()
    shift, count = max(votes.items(), key=lambda vote: (vote[1], -abs(vote[0])), default=(0, 0))
    return {line: line + shift for line in a if line + shift in b} if count > 1 else {}


def _in_gaps(a: list[int], b: list[int], pairs: dict[int, int], landmarks: _Landmarks) -> dict[int, int]:
    """What is left between two pairs, where each side has as many of it and the text around has moved or may have."""
    found: dict[int, int] = {}
    edges = [(-1, -1), *sorted(pairs.items()), (2**62, 2**62)]
    for (from_a, from_b), (to_a, to_b) in zip(edges, edges[1:], strict=False):
        left_a = [line for line in a if from_a < line < to_a]
        left_b = [line for line in b if from_b < line < to_b]
        if not left_a or len(left_a) != len(left_b):
            continue
        for x, y in zip(left_a, left_b, strict=True):
            above, below = landmarks.around(x)
            if above is None or below is None or above != below:
                found[x] = y
    return found
