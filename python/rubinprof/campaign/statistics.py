"""Tests and intervals that the views and the page use, of kept libraries."""

import importlib.util
import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Modes", "Slope", "adjusted", "modes", "slope"]

KDE_POINTS = 200
PEAK_MIN = 0.1
"""A second mode is at least a tenth as high as the first, above the valley between them."""
DAYS_MIN = 1 / 24
"""A trend over less than an hour says nothing of a day."""
LOG_MOST = 100.0
SMALLEST = 30
"""Quanta without which neither test is made."""


class Modes(NamedTuple):
    """Whether a figure has more than one mode.

    Parameters
    ----------
    dip, p : `float`
        Hartigan's statistic and its p-value [1]_.
    low, high : `float`
        The two highest modes; nan where there is one.
    share_low : `float`
        Share of the quanta below the valley between them.

    References
    ----------
    .. [1] J. A. Hartigan, P. M. Hartigan: The Dip Test of Unimodality. Annals of Statistics 13 (1985) 70-84.
    """

    dip: float
    p: float
    low: float
    high: float
    share_low: float


class Slope(NamedTuple):
    """A trend: relative change a day with its 95 % interval (Theil and Sen), and the p-value of Kendall's tau."""

    a_day: float
    low: float
    high: float
    p: float


def has_dip_test() -> bool:
    """Whether `diptest` is installed: its licence is the GPL, so that some leave it out."""
    return importlib.util.find_spec("diptest") is not None


def modes(values: np.ndarray) -> Modes | None:
    """Look for modes of positive figures; None where there are too few."""
    import diptest  # here: optional
    from scipy import signal, stats

    logs = np.log(values[values > 0])
    if len(logs) < SMALLEST or np.ptp(logs) < 1e-9:
        return None
    # Equal figures look like modes of their own to the test: they are spread over the space to the next one.
    steps = np.unique(logs)
    spread = np.diff(steps).min() if len(steps) > 1 else 0.0
    logs = np.sort(logs + np.random.default_rng(1).uniform(-0.5, 0.5, len(logs)) * min(spread, 0.01))
    dip, p = diptest.diptest(logs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            kde = stats.gaussian_kde(logs, bw_method=0.5 * len(logs) ** -0.2)
        except (np.linalg.LinAlgError, RuntimeWarning):
            return None
    points = np.linspace(logs[0] - 0.1, logs[-1] + 0.1, KDE_POINTS)
    heights = kde(points)
    peaks, about = signal.find_peaks(heights, prominence=PEAK_MIN * heights.max())
    if len(peaks) < 2:
        return Modes(float(dip), float(p), math.nan, math.nan, math.nan)
    first, second = sorted(peaks[np.argsort(about["prominences"])[-2:]])
    valley = points[first + int(np.argmin(heights[first:second]))]
    return Modes(float(dip), float(p), math.exp(points[first]), math.exp(points[second]), float(np.mean(logs < valley)))


def slope(days: np.ndarray, values: np.ndarray) -> Slope | None:
    """The trend of positive figures over time; None where there are too few, or the time is too short."""
    from scipy import stats

    known = values > 0
    days, logs = days[known], np.log(values[known])
    if len(logs) < SMALLEST or np.ptp(days) < DAYS_MIN or np.ptp(logs) == 0:
        return None
    found = stats.theilslopes(logs, days, 0.95)
    # Pairs that began within a second have slopes that no float holds as a change a day.
    change, low, high = (math.expm1(min(one, LOG_MOST)) for one in (found.slope, found.low_slope, found.high_slope))
    return Slope(change, low, high, float(stats.kendalltau(days, logs).pvalue))


def adjusted(p_values: Sequence[float]) -> list[float]:
    """P-values of many tests, so that telling those below a level makes at most that share of false alarms (Benjamini and Hochberg)."""
    from scipy import stats

    return stats.false_discovery_control(p_values).tolist() if len(p_values) else []
