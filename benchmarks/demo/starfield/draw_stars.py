"""Draw the raw image of a detector: the task that is slow in C++."""

import galsim
import numpy as np

from lsst.pex.config import Field
from lsst.pipe.base import PipelineTask, PipelineTaskConfig, PipelineTaskConnections, Struct
from lsst.pipe.base.connectionTypes import Input, Output

from .camera import PIXEL_SCALE, SHAPE

__all__ = ["DrawStarsConfig", "DrawStarsTask"]


class DrawStarsConnections(PipelineTaskConnections, dimensions=("instrument", "exposure", "detector")):
    star_catalog = Input(
        doc="Position and flux of every star.",
        name="star_catalog",
        storageClass="ArrowNumpy",
        dimensions=("instrument", "exposure", "detector"),
    )
    raw_image = Output(
        doc="Image with stars, sky and noise, in electrons.",
        name="raw_image",
        storageClass="NumpyArray",
        dimensions=("instrument", "exposure", "detector"),
    )


class DrawStarsConfig(PipelineTaskConfig, pipelineConnections=DrawStarsConnections):
    seeing = Field(doc="Width of the atmosphere's blur in arcseconds.", dtype=float, default=0.7)
    sky_level = Field(doc="Mean sky in electrons per pixel.", dtype=float, default=400.0)
    stamp_size = Field(doc="Width of the square a star is drawn into, in pixels.", dtype=int, default=48)


class DrawStarsTask(PipelineTask):
    """Draw stars blurred by the atmosphere and an imperfect telescope.

    Nearly all the time goes into GalSim's C++: the blur is a convolution, so
    every star is drawn in Fourier space and transformed back.
    """

    ConfigClass = DrawStarsConfig
    _DefaultName = "drawStars"

    def runQuantum(self, butlerQC, inputRefs, outputRefs):
        data_id = butlerQC.quantum.dataId
        stars = butlerQC.get(inputRefs.star_catalog)
        seed = 100 * data_id["exposure"] + data_id["detector"]
        butlerQC.put(self.run(stars, seed), outputRefs)

    def run(self, stars, seed):
        """Draw one detector.

        Parameters
        ----------
        stars : `numpy.ndarray`
            Structured array with ``x``, ``y`` and ``flux``.
        seed : `int`
            Seed of the noise.

        Returns
        -------
        result : `lsst.pipe.base.Struct`
            With ``raw_image``, an array of `float`.
        """
        rows, columns = SHAPE
        image = galsim.ImageF(columns, rows, scale=PIXEL_SCALE)
        blur = self.make_blur()
        for star in stars:
            self.draw_star(image, blur, star)
        rng = galsim.BaseDeviate(seed)
        image += self.make_sky(rows, columns)
        image.addNoise(galsim.PoissonNoise(rng))
        return Struct(raw_image=image.array)

    def make_blur(self):
        """Return the point-spread function at the centre of the field."""
        atmosphere = galsim.Kolmogorov(fwhm=self.config.seeing)
        telescope = galsim.OpticalPSF(lam=620.0, diam=6.5, obscuration=0.6, defocus=0.1, astig1=0.05)
        return galsim.Convolve(atmosphere, telescope)

    def draw_star(self, image, blur, star):
        """Add one star to the image; the blur is stretched along the field.

        Parameters
        ----------
        image : `galsim.Image`
            Image to add to.
        blur : `galsim.GSObject`
            Point-spread function at the centre of the field.
        star : `numpy.void`
            Row of the star catalogue.
        """
        rows, columns = SHAPE
        stretch = {"g1": 0.04 * (star["x"] / columns - 0.5), "g2": 0.04 * (star["y"] / rows - 0.5)}
        profile = blur.shear(**stretch).withFlux(star["flux"])
        size = self.config.stamp_size
        stamp = profile.drawImage(
            nx=size, ny=size, scale=PIXEL_SCALE, center=(float(star["x"]), float(star["y"]))
        )
        overlap = stamp.bounds & image.bounds
        image[overlap] += stamp[overlap]

    def make_sky(self, rows, columns):
        """Return a sky that brightens slowly to one corner."""
        y, x = np.mgrid[0:rows, 0:columns]
        slope = (x / columns + y / rows).astype(np.float32)
        return galsim.ImageF((self.config.sky_level * (1.0 + 0.1 * slope)).astype(np.float32), scale=PIXEL_SCALE)
