"""Functions and who calls whom, of a call tree: what formats keep that have no stacks."""

from collections.abc import Sequence
from typing import NamedTuple

from rubinprof.exports.call_tree import CallTree, key_by_place

__all__ = ["Figures", "functions"]


class Figures(NamedTuple):
    """Of a function, or of a caller with its callee. Recursion counts once in ``total``, and is no ``primitive`` call.

    ``own``, ``total`` and ``entered`` have one place a column. ``entered`` is of a caller with its callee: the part of ``total`` of calls that lie in no other one of
    the callee. Over all callers it sums up to the callee's ``total``, however functions call each other.
    """

    calls: list[int]  # all, primitive
    own: list[int]
    total: list[int]
    entered: list[int]


class Function(NamedTuple):
    frame: int
    figures: Figures
    callers: dict[int, Figures]  # by key
    callees: dict[int, Figures]


def functions(tree: CallTree, columns: list[str], keys: Sequence[int] | None = None) -> dict[int, Function]:
    """Every function of the tree, by a key of its own; figures are of these columns.

    ``keys``, by frame, are of a format that tells fewer functions apart: those of one key are one function.
    """
    if keys is None:
        keys = key_by_place(tree)
    own = [tree.figures[column] for column in columns]
    total = [tree.totals(column) for column in columns]
    calls = tree.figures["calls"]
    found: dict[int, Function] = {}
    open_count: dict[object, int] = {}  # how often a function, and a caller with a callee, is on the stack
    stack: list[tuple[int, tuple[int, int]]] = []
    for node, closed in tree.walk():
        for _ in range(min(closed, len(stack))):
            for which in stack.pop():
                open_count[which] -= 1
        key = keys[tree.frame[node]]
        function = found.get(key)
        if function is None:
            function = found[key] = Function(tree.frame[node], _zeros(columns), {}, {})
        caller = stack[-1][0] if stack else -1
        edge = (caller, key)
        _add(function.figures, node, calls, own, total, not open_count.get(key))
        if stack:
            figures = function.callers.get(caller)
            if figures is None:
                figures = function.callers[caller] = found[caller].callees[key] = _zeros(columns)
            _add(figures, node, calls, own, total, not open_count.get(edge))
            if not open_count.get(key):
                _add_total(figures.entered, node, total)
        open_count[key] = open_count.get(key, 0) + 1
        open_count[edge] = open_count.get(edge, 0) + 1
        stack.append((key, edge))
    return found


def _zeros(columns: list[str]) -> Figures:
    return Figures([0, 0], [0] * len(columns), [0] * len(columns), [0] * len(columns))


def _add(figures: Figures, node: int, calls, own, total, is_outermost: bool) -> None:
    figures.calls[0] += calls[node]
    for i, column in enumerate(own):
        figures.own[i] += column[node]
    if is_outermost:
        figures.calls[1] += calls[node]
        _add_total(figures.total, node, total)


def _add_total(to: list[int], node: int, total) -> None:
    for i, column in enumerate(total):
        to[i] += column[node]
