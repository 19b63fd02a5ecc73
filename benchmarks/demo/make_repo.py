"""Make the Butler repository of the demo: SQLite, one instrument, its stars."""

import argparse
import sys
from pathlib import Path

from lsst.daf.butler import Butler, DatasetType

sys.path.insert(0, str(Path(__file__).parent))

from starfield.camera import DETECTORS, EXPOSURES, DemoCamera  # noqa: E402
from starfield.catalog import STARS_PER_DETECTOR, make_star_catalog  # noqa: E402

__all__ = ["INPUTS", "make_repo"]

INPUTS = "demo/inputs"
"""Collection that holds the star catalogues."""


def make_repo(root, stars=STARS_PER_DETECTOR):
    """Make a repository and put the input of the pipeline into it.

    Parameters
    ----------
    root : `str` or `pathlib.Path`
        Directory of the repository; must not exist or be empty.
    stars : `int`, optional
        Number of stars on each detector.
    """
    Butler.makeRepo(str(root))
    with Butler.from_config(str(root), run=INPUTS) as butler:
        camera = DemoCamera()
        camera.register(butler.registry)
        dataset_type = DatasetType(
            "star_catalog", ("instrument", "exposure", "detector"), "ArrowNumpy", universe=butler.dimensions
        )
        butler.registry.registerDatasetType(dataset_type)
        for exposure in EXPOSURES:
            for detector in DETECTORS:
                butler.put(
                    make_star_catalog(exposure, detector, stars),
                    dataset_type,
                    instrument=camera.getName(),
                    exposure=exposure,
                    detector=detector,
                )


def main():
    """Make a repository from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", help="directory of the new repository")
    parser.add_argument("--stars", type=int, default=STARS_PER_DETECTOR, help="stars on each detector")
    options = parser.parse_args()
    make_repo(options.root, options.stars)


if __name__ == "__main__":
    main()
