"""Subtract the sky: the task with the large temporary peak."""

import numpy as np

from lsst.pex.config import Field
from lsst.pipe.base import PipelineTask, PipelineTaskConfig, PipelineTaskConnections, Struct
from lsst.pipe.base.connectionTypes import Input, Output

__all__ = ["SubtractSkyConfig", "SubtractSkyTask"]


class SubtractSkyConnections(PipelineTaskConnections, dimensions=("instrument", "exposure", "detector")):
    raw_image = Input(
        doc="Image with stars, sky and noise.",
        name="raw_image",
        storageClass="NumpyArray",
        dimensions=("instrument", "exposure", "detector"),
    )
    calibrated_image = Output(
        doc="Image with stars and noise only.",
        name="calibrated_image",
        storageClass="NumpyArray",
        dimensions=("instrument", "exposure", "detector"),
    )


class SubtractSkyConfig(PipelineTaskConfig, pipelineConnections=SubtractSkyConnections):
    step = Field(doc="Distance between the samples of the sky in pixels.", dtype=int, default=16)
    reach = Field(doc="Samples to each side of a pixel, along x and along y.", dtype=int, default=2)


class SubtractSkyTask(PipelineTask):
    """Take the median of samples around each pixel as its sky.

    The samples of all pixels are stacked before the median is taken:
    ``(2 * reach + 1) ** 2`` copies of the image live at once, and NumPy's
    median copies the stack once more. A careful author would go by strips.
    """

    ConfigClass = SubtractSkyConfig
    _DefaultName = "subtractSky"

    def run(self, raw_image):
        """Subtract the sky from one image.

        Parameters
        ----------
        raw_image : `numpy.ndarray`
            Image with sky.

        Returns
        -------
        result : `lsst.pipe.base.Struct`
            With ``calibrated_image``, the image without sky.
        """
        samples = self.stack_samples(raw_image)
        sky = np.median(samples, axis=0)
        return Struct(calibrated_image=(raw_image - sky).astype(np.float32))

    def stack_samples(self, image):
        """Stack shifted copies of an image.

        Parameters
        ----------
        image : `numpy.ndarray`
            Image of shape ``(rows, columns)``.

        Returns
        -------
        samples : `numpy.ndarray`
            Cube of shape ``(copies, rows, columns)``; edges are mirrored.
        """
        step, reach = self.config.step, self.config.reach
        margin = step * reach
        rows, columns = image.shape
        padded = np.pad(image, margin, mode="reflect")
        shifts = range(0, 2 * margin + 1, step)
        return np.stack([padded[y : y + rows, x : x + columns] for y in shifts for x in shifts])
