"""Correlate the ellipticities of all stars: the task that uses threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import treecorr

from lsst.pex.config import Field
from lsst.pipe.base import PipelineTask, PipelineTaskConfig, PipelineTaskConnections, Struct
from lsst.pipe.base.connectionTypes import Input, Output

__all__ = ["CorrelateShapesConfig", "CorrelateShapesTask"]


class CorrelateShapesConnections(PipelineTaskConnections, dimensions=("instrument",)):
    shape_catalogs = Input(
        doc="Measured stars of all exposures, one catalogue a detector.",
        name="shape_catalog",
        storageClass="ArrowNumpy",
        dimensions=("instrument", "exposure", "detector"),
        multiple=True,
    )
    shape_correlation = Output(
        doc="Two-point function of the ellipticities with its bootstrap error.",
        name="shape_correlation",
        storageClass="ArrowNumpy",
        dimensions=("instrument",),
    )


class CorrelateShapesConfig(PipelineTaskConfig, pipelineConnections=CorrelateShapesConnections):
    resamples = Field(doc="Number of bootstrap catalogues.", dtype=int, default=24)
    threads = Field(doc="Bootstrap catalogues to correlate at the same time.", dtype=int, default=2)
    bins = Field(doc="Number of distance bins.", dtype=int, default=12)


class CorrelateShapesTask(PipelineTask):
    """Run TreeCorr on bootstrap catalogues, several at a time.

    TreeCorr's C++ lets go of the GIL, so plain Python threads keep several
    cores busy.
    """

    ConfigClass = CorrelateShapesConfig
    _DefaultName = "correlateShapes"

    def run(self, shape_catalogs):
        """Correlate all stars and estimate the error.

        Parameters
        ----------
        shape_catalogs : `list` [`numpy.ndarray`]
            Measured stars.

        Returns
        -------
        result : `lsst.pipe.base.Struct`
            With ``shape_correlation``, a structured array with one row a bin.
        """
        stars = np.concatenate(shape_catalogs)
        resamples = [resample(stars, seed) for seed in range(self.config.resamples)]
        with ThreadPoolExecutor(self.config.threads, thread_name_prefix="bootstrap") as pool:
            estimates = list(pool.map(self.correlate, resamples))
        distance, xip = self.correlate(stars)
        error = np.std([estimate for _, estimate in estimates], axis=0)
        return Struct(shape_correlation=np.rec.fromarrays([distance, xip, error], names="distance,xip,error"))

    def correlate(self, stars):
        """Correlate the ellipticities of one catalogue.

        Parameters
        ----------
        stars : `numpy.ndarray`
            Measured stars.

        Returns
        -------
        distance : `numpy.ndarray`
            Mean distance in each bin, in arcminutes.
        xip : `numpy.ndarray`
            Correlation in each bin.
        """
        catalog = treecorr.Catalog(
            ra=stars["ra"], dec=stars["dec"], g1=stars["g1"], g2=stars["g2"], ra_units="deg", dec_units="deg"
        )
        correlation = treecorr.GGCorrelation(
            min_sep=0.05, max_sep=6.0, nbins=self.config.bins, sep_units="arcmin", bin_slop=0.0
        )
        correlation.process(catalog, num_threads=1)
        return correlation.meanr, correlation.xip


def resample(stars, seed):
    """Draw as many stars as there are, with replacement."""
    rng = np.random.default_rng(seed)
    return stars[rng.integers(len(stars), size=len(stars))]
