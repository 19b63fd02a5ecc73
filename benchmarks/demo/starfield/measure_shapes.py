"""Measure the shape of every star: the task that leaks."""

import galsim
import numpy as np

from lsst.pex.config import Field
from lsst.pipe.base import PipelineTask, PipelineTaskConfig, PipelineTaskConnections, Struct
from lsst.pipe.base.connectionTypes import Input, Output

from .camera import PIXEL_SCALE, pixel_to_sky

__all__ = ["MeasureShapesConfig", "MeasureShapesTask"]

SHAPE_COLUMNS = [(name, "f8") for name in ("x", "y", "ra", "dec", "flux", "g1", "g2", "sigma")]

_stamps = {}
"""Stamps already cut, by centre: the leak. Nothing ever looks a stamp up
twice and nothing ever empties the cache.
"""


class MeasureShapesConnections(PipelineTaskConnections, dimensions=("instrument", "exposure", "detector")):
    calibrated_image = Input(
        doc="Image without sky.",
        name="calibrated_image",
        storageClass="NumpyArray",
        dimensions=("instrument", "exposure", "detector"),
    )
    star_catalog = Input(
        doc="Where to look for stars.",
        name="star_catalog",
        storageClass="ArrowNumpy",
        dimensions=("instrument", "exposure", "detector"),
    )
    shape_catalog = Output(
        doc="Position, flux, ellipticity and size of the stars that could be measured.",
        name="shape_catalog",
        storageClass="ArrowNumpy",
        dimensions=("instrument", "exposure", "detector"),
    )


class MeasureShapesConfig(PipelineTaskConfig, pipelineConnections=MeasureShapesConnections):
    stamp_size = Field(doc="Width of the stamp cut around a star, in pixels.", dtype=int, default=48)


class MeasureShapesTask(PipelineTask):
    """Fit an elliptical Gaussian to each star by adaptive moments."""

    ConfigClass = MeasureShapesConfig
    _DefaultName = "measureShapes"

    def runQuantum(self, butlerQC, inputRefs, outputRefs):
        data_id = butlerQC.quantum.dataId
        inputs = butlerQC.get(inputRefs)
        result = self.run(**inputs, exposure=data_id["exposure"], detector=data_id["detector"])
        butlerQC.put(result, outputRefs)

    def run(self, calibrated_image, star_catalog, exposure, detector):
        """Measure all stars of one detector.

        Parameters
        ----------
        calibrated_image : `numpy.ndarray`
            Image without sky.
        star_catalog : `numpy.ndarray`
            Structured array with ``x`` and ``y``.
        exposure, detector : `int`
            Where the image was taken, to place the stars on the sky.

        Returns
        -------
        result : `lsst.pipe.base.Struct`
            With ``shape_catalog``, a structured array.
        """
        image = galsim.ImageF(np.ascontiguousarray(calibrated_image), scale=PIXEL_SCALE)
        shapes = np.zeros(len(star_catalog), dtype=SHAPE_COLUMNS)
        measured = 0
        for star in star_catalog:
            stamp = self.cut_stamp(image, star, (exposure, detector))
            moments = galsim.hsm.FindAdaptiveMom(stamp, strict=False)
            if moments.moments_status != 0:
                continue
            centre = moments.moments_centroid
            ra, dec = pixel_to_sky(exposure, detector, centre.x, centre.y)
            shape = moments.observed_shape
            shapes[measured] = (
                centre.x,
                centre.y,
                ra,
                dec,
                moments.moments_amp,
                shape.g1,
                shape.g2,
                moments.moments_sigma,
            )
            measured += 1
        self.log.info("Measured %d of %d stars.", measured, len(star_catalog))
        return Struct(shape_catalog=shapes[:measured])

    def cut_stamp(self, image, star, place):
        """Cut a square around a star, and keep it for ever.

        Parameters
        ----------
        image : `galsim.Image`
            Image to cut from.
        star : `numpy.void`
            Row of the star catalogue.
        place : `tuple`
            Exposure and detector.

        Returns
        -------
        stamp : `galsim.Image`
            Copy of the part of the image around the star.
        """
        x, y = round(float(star["x"])), round(float(star["y"]))
        half = self.config.stamp_size // 2
        bounds = galsim.BoundsI(x - half, x + half, y - half, y + half)
        stamp = image[bounds & image.bounds].copy()
        _stamps[(*place, x, y)] = stamp
        return stamp
