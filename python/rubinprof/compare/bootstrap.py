"""How far a difference of two means can be trusted: a bootstrap interval.

The runs of each side are drawn again, with replacement, many times, and the difference of the means is looked at over the draws
[1]_. With the few runs that people make, the plain percentile interval is too narrow, for two reasons, both put right here as [2]_
(section 3.2, "narrowness bias", and the t-interval it is compared with) advises: the spread of n values about their own mean is
too small by sqrt((n - 1) / n), and a quantile of the normal distribution stands where one of Student's t belongs. So the draws are
stretched about the estimate by both factors, with Welch's degrees of freedom. That benchmarks are compared by intervals of effects,
not by tests, follows [3]_.

A side that was run once has no spread of its own: it is taken to have the other side's, relative to its mean.

References
----------
.. [1] B. Efron, R. J. Tibshirani: An Introduction to the Bootstrap. Chapman & Hall, 1993, chapters 8 and 13.
.. [2] T. C. Hesterberg: What Teachers Should Know About the Bootstrap. The American Statistician 69 (2015) 371-386.
.. [3] T. Kalibera, R. Jones: Rigorous Benchmarking in Reasonable Time. ISMM 2013, 63-74.
"""

import functools
import math
import random
from operator import mul

__all__ = ["CONFIDENCE", "METHOD", "RESAMPLES", "interval"]

METHOD = "percentile bootstrap of the difference of means, stretched to Student's t"
CONFIDENCE = 0.95
RESAMPLES = 1000
_dot = getattr(math, "sumprod", lambda x, y: sum(map(mul, x, y)))  # from Python 3.12 on
SEED = 20260101  # any: the same traces give the same figures

NORMAL_975 = 1.959964
# Upper 2.5 % points of Student's t for 1, 2, ... degrees of freedom.
T_975 = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281]


def interval(a: list[float], b: list[float]) -> tuple[float, float] | None:
    """Interval of the difference of the means of two sets of runs.

    Parameters
    ----------
    a, b : `list` [`float`]
        One figure a run.

    Returns
    -------
    interval : `tuple` [`float`, `float`] or `None`
        Lowest and highest change from ``a`` to ``b`` that the runs leave credible, at `CONFIDENCE`; `None` when
        neither side has two runs.
    """
    if max(len(a), len(b)) < 2:
        return None
    mean_a, mean_b = math.fsum(a) / len(a), math.fsum(b) / len(b)
    change = mean_b - mean_a
    spread_a, spread_b = _spread(a, mean_a, b, mean_b), _spread(b, mean_b, a, mean_a)
    if not any(spread_a) and not any(spread_b):
        return change, change
    draws_a, draws_b = _draws(len(spread_a), len(a), 0), _draws(len(spread_b), len(b), 1)
    moved = sorted(_dot(db, spread_b) - _dot(da, spread_a) for da, db in zip(draws_a, draws_b, strict=True))
    stretch = _t_975(_freedom(a, spread_a, b, spread_b)) / NORMAL_975
    tail = round((1 - CONFIDENCE) / 2 * RESAMPLES)
    return change + stretch * moved[tail - 1], change + stretch * moved[-tail]


def _spread(own: list[float], mean: float, other: list[float], other_mean: float) -> list[float]:
    """Deviations to draw from, of the size that the population's have."""
    if len(own) > 1:
        factor = math.sqrt(len(own) / (len(own) - 1))
        return [(x - mean) * factor for x in own]
    factor = math.sqrt(len(other) / (len(other) - 1)) * (mean / other_mean if other_mean else 1.0)
    return [(x - other_mean) * factor for x in other]


@functools.cache
def _draws(values: int, picks: int, stream: int) -> list[list[float]]:
    """What each value weighs in the mean, for each draw."""
    rng = random.Random(SEED + stream)
    draws = []
    for _ in range(RESAMPLES):
        picked = rng.choices(range(values), k=picks)
        draws.append([picked.count(place) / picks for place in range(values)])
    return draws


def _freedom(a: list[float], spread_a: list[float], b: list[float], spread_b: list[float]) -> float:
    """Welch's degrees of freedom."""
    parts = []
    for runs, spread in ((a, spread_a), (b, spread_b)):
        variance = math.fsum(x * x for x in spread) / len(spread) / len(runs)
        parts.append((variance, len(spread) - 1))
    if min(len(a), len(b)) == 1:  # one spread, used twice
        return parts[0][1]
    below = math.fsum(v * v / n for v, n in parts)
    return (parts[0][0] + parts[1][0]) ** 2 / below if below else 1.0


def _t_975(freedom: float) -> float:
    """Between the table's entries, and beyond it towards the normal distribution, linear in 1 / freedom."""
    freedom = max(1.0, freedom)
    if freedom >= len(T_975):
        return NORMAL_975 + (T_975[-1] - NORMAL_975) * len(T_975) / freedom
    low = int(freedom)
    share = (1 / low - 1 / freedom) / (1 / low - 1 / (low + 1))
    return T_975[low - 1] + (T_975[low] - T_975[low - 1]) * share
