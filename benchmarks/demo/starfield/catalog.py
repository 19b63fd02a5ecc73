"""The stars of an exposure, invented from a fixed seed."""

import numpy as np

from .camera import SHAPE

__all__ = ["STARS_PER_DETECTOR", "make_star_catalog"]

STARS_PER_DETECTOR = 600
MARGIN = 32
"""Distance in pixels that stars keep from the edge."""


def make_star_catalog(exposure, detector, count=STARS_PER_DETECTOR):
    """Invent the stars that fall on one detector.

    Parameters
    ----------
    exposure, detector : `int`
        Identifiers; together they are the seed.
    count : `int`, optional
        Number of stars.

    Returns
    -------
    stars : `numpy.ndarray`
        Structured array with ``x`` and ``y`` in pixels and ``flux`` in
        electrons.
    """
    rng = np.random.default_rng([exposure, detector])
    stars = np.zeros(count, dtype=[("x", "f8"), ("y", "f8"), ("flux", "f8")])
    stars["x"] = rng.uniform(MARGIN, SHAPE[1] - MARGIN, count)
    stars["y"] = rng.uniform(MARGIN, SHAPE[0] - MARGIN, count)
    stars["flux"] = 3_000.0 * (1.0 + rng.pareto(1.5, count)).clip(max=100.0)
    return stars
