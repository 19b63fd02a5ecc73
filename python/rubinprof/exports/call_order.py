"""Calls in their order of time, by thread: the analyzer's report "slices"."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Any, NamedTuple

__all__ = ["SLICES_MAX", "CallOrder", "Lane"]

SLICES_MAX = 50_000  # of a file: what viewers open at once
SEVERAL = "[several short calls]"


class Lane(NamedTuple):
    """One thread: who it is, and which slices are its own (a range of places)."""

    pid: int
    thread: int
    name: str
    slices: range


class CallOrder:
    """Slices of the threads whose calls were seen.

    ``begin``, ``took`` (ns since the start of the run), ``depth``, ``frame`` and ``times`` are columns by slice, a call before those below it.
    ``frames`` are ``(name, file, line)``; the last stands for several functions.
    """

    def __init__(self, trace: Any, from_s: float = 0.0, to_s: float = 0.0, n: int = SLICES_MAX):
        told = trace._json("slices", from_s=from_s, to_s=to_s, n=n)
        columns = told["slices"]
        self.least_s: float = told["least_s"]
        self.frames = [tuple(frame) for frame in told["frames"]] + [(SEVERAL, "", 0)]
        self.begin = list(accumulate(columns["begin"]))
        self.took: list[int] = columns["took"]
        self.depth: list[int] = columns["depth"]
        self.frame = [len(self.frames) - 1 if frame < 0 else frame for frame in columns["frame"]]
        self.times: list[int] = columns["times"]
        self.lanes, at = [], 0
        for thread in told["threads"]:
            self.lanes.append(Lane(thread["pid"], thread["thread"], thread["name"] or f"thread {thread['thread']}", range(at, at + thread["slices"])))
            at += thread["slices"]

    def events(self, lane: Lane) -> Iterator[tuple[bool, int, int]]:
        """``(begins, slice, ns)`` of a thread, in their order: what begins last ends first."""
        stack: list[int] = []
        for i in lane.slices:
            while len(stack) > self.depth[i]:
                done = stack.pop()
                yield False, done, self.begin[done] + self.took[done]
            stack.append(i)
            yield True, i, self.begin[i]
        while stack:
            done = stack.pop()
            yield False, done, self.begin[done] + self.took[done]
