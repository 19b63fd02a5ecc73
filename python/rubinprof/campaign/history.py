"""Campaigns or days as a series: where the median of a task changed, by how much, and whether the last one is worse than before.

Change points are those of ruptures' PELT [1]_ on the logarithm of the medians, with the penalty of Bayes' criterion. The noise is what neighbours in the series differ by, and at least what chance among
the quanta of each median makes; the size of a change has a 95 % interval from it.

References
----------
.. [1] R. Killick, P. Fearnhead, I. A. Eckley: Optimal detection of changepoints with a linear computational cost. JASA 107 (2012) 1590-1598.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rubinprof.campaign.distribution import NORMAL_975, Distribution, by_key
from rubinprof.campaign.query import Campaign
from rubinprof.campaign.views import FIGURES

__all__ = ["Change", "Series", "changes", "last_change", "of_days", "of_stores"]

PENALTY = 3.0
"""Times the logarithm of the number of points, in units of the noise's variance: a level and a place for each change."""
SMALLEST_CHANGE = 0.01
SIGMAS = 4.0
"""A change is told beyond so many of its standard errors: its place was chosen among many."""
QUANTA_MIN = 6


class Series(NamedTuple):
    """A figure of a task over the series.

    Parameters
    ----------
    task, figure : `str`
        What it is of.
    places : `list` [`str`]
        Names of the stores, or days, in which it is known.
    logs, errors : `numpy.ndarray`
        Logarithms of the medians, and their standard errors.
    quanta : `list` [`int`]
        How many each is of.
    """

    task: str
    figure: str
    places: list[str]
    logs: np.ndarray
    errors: np.ndarray
    quanta: list[int]


class Change(NamedTuple):
    """From ``at`` on the median is ``after`` where it was ``before``; ``change`` is a share, ``low`` and ``high`` its 95 % interval."""

    task: str
    figure: str
    at: str
    before: float
    after: float
    change: float
    low: float
    high: float


def of_stores(campaigns: Sequence[Campaign], where: str | None = None) -> list[Series]:
    """Series over several stores, in their order."""
    names = [campaign.store.name for campaign in campaigns]
    if len(set(names)) < len(names):
        names = [campaign.store.text for campaign in campaigns]
    points: dict[tuple[str, str], list[tuple[str, Distribution]]] = {}
    for name, campaign in zip(names, campaigns, strict=True):
        quanta = campaign.last_attempts(where).filter("task IS NOT NULL")
        for figure, column in FIGURES.items():
            for task, of in by_key(quanta, "task", column).items():
                points.setdefault((str(task), figure), []).append((name, of))
    return _series(points)


def of_days(campaign: Campaign, where: str | None = None) -> list[Series]:
    """Series over the days (UTC) of one store."""
    quanta = campaign.last_attempts(where).filter("task IS NOT NULL AND start IS NOT NULL")
    points: dict[tuple[str, str], list[tuple[str, Distribution]]] = {}
    for figure, column in FIGURES.items():
        for key, of in by_key(quanta, "strftime(start, '%Y-%m-%d') || ' ' || task", column).items():
            day, _, task = str(key).partition(" ")
            points.setdefault((task, figure), []).append((day, of))
    return _series(points)


def changes(one: Series) -> list[Change]:
    """Where a series changed its level."""
    bounds = [0, *_breaks(one), len(one.logs)]
    noise = max(_noise(one), _about_levels(one.logs, bounds))
    found = []
    for first, at, end in zip(bounds, bounds[1:], bounds[2:], strict=False):
        error = math.hypot(_error_of_mean(one.errors[first:at], noise), _error_of_mean(one.errors[at:end], noise))
        change = _change(one, at, one.logs[first:at], one.logs[at:end], error)
        if abs(math.log1p(change.change)) > SIGMAS * error and abs(change.change) >= SMALLEST_CHANGE:
            found.append(change)
    return found


def last_change(one: Series) -> Change | None:
    """From the level before to the last point; None where there is no point before."""
    if len(one.logs) < 2:
        return None
    before = one._replace(places=one.places[:-1], logs=one.logs[:-1], errors=one.errors[:-1], quanta=one.quanta[:-1])
    first = ([0, *_breaks(before)])[-1]
    level = before.logs[first:]
    noise = max(_noise(before), _about_levels(level, [0, len(level)]))
    error = math.hypot(_error_of_mean(before.errors[first:], noise), _error_of_mean(one.errors[-1:], noise))
    return _change(one, len(one.logs) - 1, level, one.logs[-1:], error)


def _series(points: dict[tuple[str, str], list[tuple[str, Distribution]]]) -> list[Series]:
    found = []
    for (task, figure), named in sorted(points.items()):
        known = [(name, of, of.median_interval()) for name, of in named if of.n >= QUANTA_MIN and of.median_interval()[0] > 0]
        if known:
            logs = np.array([math.log(of.quantile(0.5)) for _, of, _ in known])
            errors = np.array([max(math.log(high / low) / 2 / NORMAL_975, 1e-4) for _, _, (low, high) in known])
            found.append(Series(task, figure, [name for name, _, _ in known], logs, errors, [of.n for _, of, _ in known]))
    return found


def _noise(one: Series) -> float:
    """Standard deviation of a point about its level."""
    steps = np.abs(np.diff(one.logs))
    robust = 1.4826 * float(np.median(steps)) / math.sqrt(2) if len(steps) >= 3 else 0.0
    return max(robust, float(np.median(one.errors)))


def _about_levels(logs: np.ndarray, bounds: Sequence[int]) -> float:
    """Standard deviation of points about the levels between the bounds; 0 where too few are left to tell."""
    left = len(logs) - (len(bounds) - 1)
    if left < 3:
        return 0.0
    squares = sum(float(np.sum((logs[first:end] - logs[first:end].mean()) ** 2)) for first, end in zip(bounds, bounds[1:], strict=False))
    return math.sqrt(squares / left)


def _error_of_mean(errors: np.ndarray, noise: float) -> float:
    """Standard error of the mean of points, each with its own error and at least the noise."""
    return float(np.sqrt(np.sum(np.maximum(errors, noise) ** 2)) / len(errors))


def _breaks(one: Series) -> list[int]:
    """Places at which a new level begins."""
    n = len(one.logs)
    if n < 2:
        return []
    if n == 2:
        return [1]
    import ruptures  # here: few of those who open a store ask for it

    scaled = (one.logs / _noise(one)).reshape(-1, 1)
    return [int(place) for place in ruptures.Pelt(model="l2", min_size=1, jump=1).fit(scaled).predict(pen=PENALTY * math.log(n)) if place < n]


def _change(one: Series, at: int, before: np.ndarray, after: np.ndarray, error: float) -> Change:
    old, new = float(before.mean()), float(after.mean())
    half = NORMAL_975 * error
    return Change(one.task, one.figure, one.places[at], math.exp(old), math.exp(new), math.expm1(new - old), math.expm1(new - old - half), math.expm1(new - old + half))


def rows(series: Sequence[Series]) -> list[dict[str, Any]]:
    """Series as rows for programs: ``task``, ``figure``, and ``points`` with ``at``, ``median``, ``low``, ``high``, ``quanta``."""
    return [
        {
            "task": one.task,
            "figure": one.figure,
            "points": [
                {"at": place, "median": math.exp(log), "low": math.exp(log - NORMAL_975 * error), "high": math.exp(log + NORMAL_975 * error), "quanta": n}
                for place, log, error, n in zip(one.places, one.logs.tolist(), one.errors.tolist(), one.quanta, strict=True)
            ],
        }
        for one in series
    ]
