"""The demo instrument: two detectors, one filter, three exposures."""

from lsst.pipe.base import Instrument

__all__ = ["DETECTORS", "EXPOSURES", "PIXEL_SCALE", "SHAPE", "DemoCamera", "pixel_to_sky"]

DETECTORS = (0, 1)
EXPOSURES = (1001, 1002, 1003)
SHAPE = (1024, 1024)
"""Rows and columns of a detector."""

PIXEL_SCALE = 0.2
"""Size of a pixel in arcseconds."""

DAY_OBS = 20260101
FIELD_CENTRE = (150.0, 2.2)
"""Right ascension and declination of the first exposure in degrees."""

DITHER = 0.01
"""Step in right ascension between exposures in degrees."""


def pixel_to_sky(exposure, detector, x, y):
    """Convert pixel positions to positions on the sky.

    Parameters
    ----------
    exposure : `int`
        Identifier of the exposure.
    detector : `int`
        Identifier of the detector; detectors lie side by side along x.
    x, y : `numpy.ndarray`
        Pixel positions.

    Returns
    -------
    ra, dec : `numpy.ndarray`
        Right ascension and declination in degrees. The field is small and
        near the equator, so the projection is left out.
    """
    degrees = PIXEL_SCALE / 3600.0
    ra = FIELD_CENTRE[0] + DITHER * EXPOSURES.index(exposure) + degrees * (x + SHAPE[1] * detector)
    dec = FIELD_CENTRE[1] + degrees * y
    return ra, dec


class DemoCamera(Instrument):
    """An instrument just large enough to give the pipeline several quanta."""

    @classmethod
    def getName(cls):
        return "DemoCamera"

    def getRawFormatter(self, dataId):
        raise NotImplementedError("the demo draws its raw images, it does not ingest any")

    def register(self, registry, *, update=False):
        """Insert the instrument with its filter, detectors and exposures.

        Parameters
        ----------
        registry : `lsst.daf.butler.Registry`
            Registry to write to.
        update : `bool`, optional
            If true, existing records that differ are replaced.
        """
        name = self.getName()
        with registry.transaction():
            for element, record in self._records():
                registry.syncDimensionData(element, {"instrument": name, **record}, update=update)

    def _records(self):
        """Yield the name of a dimension and one record of it, in the order
        in which they depend on each other.
        """
        yield (
            "instrument",
            {
                "name": self.getName(),
                "visit_max": 10_000,
                "exposure_max": 10_000,
                "detector_max": len(DETECTORS),
                "class_name": f"{type(self).__module__}.{type(self).__qualname__}",
            },
        )
        yield "physical_filter", {"name": "demo_r", "band": "r"}
        for detector in DETECTORS:
            yield "detector", {"id": detector, "full_name": f"D{detector}", "purpose": "SCIENCE"}
        yield "day_obs", {"id": DAY_OBS}
        for exposure in EXPOSURES:
            yield "group", {"name": str(exposure)}
            yield (
                "exposure",
                {
                    "id": exposure,
                    "obs_id": f"demo-{exposure}",
                    "physical_filter": "demo_r",
                    "group": str(exposure),
                    "day_obs": DAY_OBS,
                    "exposure_time": 30.0,
                    "observation_type": "science",
                },
            )
