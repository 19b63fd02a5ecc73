"""Figures of repeated pairs.

A round runs every tool once, one after the other, so that a slow minute of the machine meets them all. A ratio is taken within its round; the
middle of the rounds is given, with the lowest and the highest.
"""

from statistics import median


def spread(values):
    """(median, lowest, highest) of ``values``; `None` of an empty list."""
    values = [value for value in values if value is not None]
    return (median(values), min(values), max(values)) if values else None


def of_rounds(rounds, figure):
    """``figure(round)`` of each round in which all it needs was measured."""
    found = []
    for one in rounds:
        try:
            found.append(figure(one))
        except (KeyError, ZeroDivisionError):
            continue
    return found


def chance(above, n):
    """How likely it is that at least ``above`` of ``n`` rounds lie above a bar that half of them would (one-sided sign test)."""
    from math import comb

    return sum(comb(n, k) for k in range(above, n + 1)) / 2**n
