"""Fit a model of the point-spread function over an exposure with Piff."""

import galsim
import numpy as np
import piff

from lsst.pex.config import Field
from lsst.pipe.base import NoWorkFound, PipelineTask, PipelineTaskConfig, PipelineTaskConnections, Struct
from lsst.pipe.base.connectionTypes import Input, Output

from .camera import PIXEL_SCALE, SHAPE

__all__ = ["FitPsfConfig", "FitPsfTask"]


class FitPsfConnections(PipelineTaskConnections, dimensions=("instrument", "exposure")):
    calibrated_images = Input(
        doc="Images without sky, one a detector.",
        name="calibrated_image",
        storageClass="NumpyArray",
        dimensions=("instrument", "exposure", "detector"),
        multiple=True,
    )
    shape_catalogs = Input(
        doc="Measured stars, one catalogue a detector.",
        name="shape_catalog",
        storageClass="ArrowNumpy",
        dimensions=("instrument", "exposure", "detector"),
        multiple=True,
    )
    psf_summary = Output(
        doc="Size and ellipticity of the model at the centre of each detector.",
        name="psf_summary",
        storageClass="StructuredDataDict",
        dimensions=("instrument", "exposure"),
    )


class FitPsfConfig(PipelineTaskConfig, pipelineConnections=FitPsfConnections):
    star_count = Field(doc="Brightest stars of a detector to fit.", dtype=int, default=40)
    stamp_size = Field(doc="Width of the stamp around a star, in pixels.", dtype=int, default=24)
    read_noise = Field(doc="Noise of the image in electrons per pixel.", dtype=float, default=20.0)


class FitPsfTask(PipelineTask):
    """Fit a Moffat profile that changes linearly over each detector."""

    ConfigClass = FitPsfConfig
    _DefaultName = "fitPsf"

    def runQuantum(self, butlerQC, inputRefs, outputRefs):
        images = {ref.dataId["detector"]: butlerQC.get(ref) for ref in inputRefs.calibrated_images}
        shapes = {ref.dataId["detector"]: butlerQC.get(ref) for ref in inputRefs.shape_catalogs}
        butlerQC.put(self.run(images, shapes), outputRefs)

    def run(self, images, shapes):
        """Fit every detector of an exposure.

        Parameters
        ----------
        images : `dict` [`int`, `numpy.ndarray`]
            Images without sky by detector.
        shapes : `dict` [`int`, `numpy.ndarray`]
            Measured stars by detector.

        Returns
        -------
        result : `lsst.pipe.base.Struct`
            With ``psf_summary``, a `dict`.
        """
        common = sorted(images.keys() & shapes.keys())
        if not common:
            raise NoWorkFound("no detector has both an image and measured stars")
        summary = {f"detector{number}": self.fit_detector(images[number], shapes[number]) for number in common}
        return Struct(psf_summary=summary)

    def fit_detector(self, image, shapes):
        """Fit one detector.

        Parameters
        ----------
        image : `numpy.ndarray`
            Image without sky.
        shapes : `numpy.ndarray`
            Measured stars.

        Returns
        -------
        summary : `dict` [`str`, `float`]
            The model at the centre of the detector.
        """
        brightest = shapes[np.argsort(shapes["flux"])[::-1][: self.config.star_count]]
        stars = [self.make_star(image, row) for row in brightest]
        psf = piff.SimplePSF(
            piff.Moffat(beta=3.0, fastfit=True),
            piff.Polynomial(order=1),
            outliers=[piff.ChisqOutliers(nsigma=4.0)],
        )
        psf.fit(stars, {0: galsim.PixelScale(PIXEL_SCALE)}, None)
        return self.summarise(psf, len(stars))

    def make_star(self, image, row):
        """Make Piff's star from a stamp of the image."""
        pixels = galsim.ImageF(np.ascontiguousarray(image), wcs=galsim.PixelScale(PIXEL_SCALE))
        position = galsim.PositionD(float(row["x"]), float(row["y"]))
        half = self.config.stamp_size // 2
        x, y = round(position.x), round(position.y)
        stamp = pixels[galsim.BoundsI(x - half, x + half, y - half, y + half) & pixels.bounds]
        weight = galsim.ImageF(stamp.bounds, init_value=self.config.read_noise**-2)
        properties = {"chipnum": 0}
        return piff.Star(piff.StarData(stamp, position, weight=weight, properties=properties), None)

    def summarise(self, psf, star_count):
        """Evaluate the model at the centre of the detector."""
        rows, columns = SHAPE
        drawn = psf.draw(x=columns / 2, y=rows / 2, chipnum=0, stamp_size=self.config.stamp_size)
        moments = galsim.hsm.FindAdaptiveMom(drawn)
        return {
            "stars": star_count,
            "sigma": float(moments.moments_sigma * PIXEL_SCALE),
            "g1": float(moments.observed_shape.g1),
            "g2": float(moments.observed_shape.g2),
        }
