"""How a figure is distributed, by task or anything else: counts in bins of a tenth of a percent, from which quantiles follow for any number of quanta."""

import math
from typing import NamedTuple

import duckdb
import numpy as np

__all__ = ["Distribution", "by_key"]

STEP = 0.001
"""Width of a bin in the logarithm: a quantile is right to half of it."""
ZERO_BIN = -(2**30)
"""The bin of zero."""
NORMAL_975 = 1.959964
MAD_TO_SIGMA = 1.4826


class Distribution(NamedTuple):
    """Counts of a figure in bins.

    Parameters
    ----------
    bins : `numpy.ndarray`
        Logarithms in units of `STEP`, ascending.
    counts : `numpy.ndarray`
        Quanta in each.
    """

    bins: np.ndarray
    counts: np.ndarray

    @property
    def n(self) -> int:
        """Quanta with a known figure."""
        return int(self.counts.sum())

    def quantile(self, share: float) -> float:
        """The figure below which this share of the quanta lies; nan where there is none."""
        return self._at_rank(share * (self.n - 1))

    def median_interval(self) -> tuple[float, float]:
        """95 % interval of the median: the values whose ranks the binomial distribution gives [1]_; all of the range for fewer than six quanta.

        References
        ----------
        .. [1] G. J. Hahn, W. Q. Meeker: Statistical Intervals. Wiley, 1991, section 5.2.
        """
        if self.n < 6:
            return self._at_rank(0), self._at_rank(self.n - 1)
        half = NORMAL_975 * math.sqrt(self.n) / 2
        middle = (self.n - 1) / 2
        return self._at_rank(math.floor(max(0.0, middle - half))), self._at_rank(math.ceil(min(self.n - 1.0, middle + half)))

    def robust_log(self) -> tuple[float, float]:
        """Median and robust standard deviation (1.4826 times the median absolute deviation) of the logarithm."""
        known = self.bins > ZERO_BIN
        if not self.counts[known].sum():
            return math.nan, math.nan
        one = Distribution(self.bins[known], self.counts[known])
        middle = math.log(one.quantile(0.5))
        away = np.abs(one.bins * STEP - middle)
        order = np.argsort(away, kind="stable")
        place = np.searchsorted(np.cumsum(one.counts[order]), (one.n + 1) / 2)
        return middle, MAD_TO_SIGMA * float(away[order][place])

    def coarse(self, width: float) -> tuple[list[int], list[int]]:
        """Counts in wider bins, for drawing: the number of each bin (its begin is exp(number * width)) and its quanta. Zero is left out."""
        known = self.bins > ZERO_BIN
        number = np.floor((self.bins[known] + 0.5) * STEP / width).astype(int)
        if not number.size:
            return [], []
        first = int(number[0])
        counts = np.bincount(number - first, weights=self.counts[known]).astype(int)
        present = np.flatnonzero(counts)
        return (present + first).tolist(), counts[present].tolist()

    def _at_rank(self, rank: float) -> float:
        if not self.n:
            return math.nan
        place = int(np.searchsorted(np.cumsum(self.counts), math.floor(rank + 0.5), side="right"))
        found = int(self.bins[min(place, len(self.bins) - 1)])
        return 0.0 if found == ZERO_BIN else math.exp(found * STEP)


EMPTY = Distribution(np.zeros(0, int), np.zeros(0, int))


def by_key(quanta: duckdb.DuckDBPyRelation, key: str, column: str) -> dict[str | None, Distribution]:
    """Distributions of a column by a key: SQL names of the relation."""
    rows = quanta.query(
        "of_quanta",
        f"""SELECT {key} AS key, CASE WHEN {column} > 0 THEN round(ln({column}) / {STEP})::INT ELSE {ZERO_BIN} END AS bin, count(*) AS n
            FROM of_quanta WHERE {column} IS NOT NULL GROUP BY key, bin ORDER BY key, bin""",
    ).fetchnumpy()
    keys = [None if hidden else key for key, hidden in zip(np.ma.getdata(rows["key"]).tolist(), np.ma.getmaskarray(rows["key"]).tolist(), strict=True)]
    found = {}
    begins = [i for i in range(len(keys)) if i == 0 or keys[i] != keys[i - 1]] + [len(keys)]
    for begin, end in zip(begins, begins[1:], strict=False):
        found[keys[begin]] = Distribution(np.ma.getdata(rows["bin"])[begin:end].astype(np.int64), np.ma.getdata(rows["n"])[begin:end].astype(np.int64))
    return found
