"""Find stars that lie close together: the task that is slow in Python."""

import math

import numpy as np

from lsst.pex.config import Field
from lsst.pipe.base import PipelineTask, PipelineTaskConfig, PipelineTaskConnections, Struct
from lsst.pipe.base.connectionTypes import Input, Output
from lsst.sphgeom import LonLat, UnitVector3d

__all__ = ["FindNeighboursConfig", "FindNeighboursTask"]


class FindNeighboursConnections(PipelineTaskConnections, dimensions=("instrument", "exposure")):
    shape_catalogs = Input(
        doc="Measured stars, one catalogue a detector.",
        name="shape_catalog",
        storageClass="ArrowNumpy",
        dimensions=("instrument", "exposure", "detector"),
        multiple=True,
    )
    neighbour_catalog = Output(
        doc="For every star its nearest neighbour and the distance to it in arcseconds.",
        name="neighbour_catalog",
        storageClass="ArrowNumpy",
        dimensions=("instrument", "exposure"),
    )


class FindNeighboursConfig(PipelineTaskConfig, pipelineConnections=FindNeighboursConnections):
    radius = Field(doc="Neighbours further away are not counted, in arcseconds.", dtype=float, default=10.0)


class FindNeighboursTask(PipelineTask):
    """Compare every star with every other one, in plain Python.

    The points are C++ objects of lsst.sphgeom, but each comparison is a
    Python call: the time goes to the interpreter. A careful author would
    sort the stars into cells of the sky first.
    """

    ConfigClass = FindNeighboursConfig
    _DefaultName = "findNeighbours"

    def run(self, shape_catalogs):
        """Find the neighbours of every star of an exposure.

        Parameters
        ----------
        shape_catalogs : `list` [`numpy.ndarray`]
            Measured stars with ``ra`` and ``dec`` in degrees.

        Returns
        -------
        result : `lsst.pipe.base.Struct`
            With ``neighbour_catalog``, a structured array.
        """
        stars = np.concatenate(shape_catalogs)
        points = [to_point(ra, dec) for ra, dec in zip(stars["ra"], stars["dec"], strict=True)]
        radius = math.radians(self.config.radius / 3600.0)
        neighbours = np.zeros(len(points), dtype=[("nearest", "i8"), ("distance", "f8"), ("count", "i8")])
        for index, point in enumerate(points):
            neighbours[index] = find_nearest(index, point, points, radius)
        return Struct(neighbour_catalog=neighbours)


def to_point(ra, dec):
    """Return the point on the unit sphere at a position in degrees."""
    return UnitVector3d(LonLat.fromDegrees(float(ra), float(dec)))


def separation(one, other):
    """Return the angle between two points in radians."""
    dx, dy, dz = one.x() - other.x(), one.y() - other.y(), one.z() - other.z()
    return 2.0 * math.asin(0.5 * math.sqrt(dx * dx + dy * dy + dz * dz))


def find_nearest(index, point, points, radius):
    """Find the nearest neighbour of one point and count those in reach.

    Parameters
    ----------
    index : `int`
        Place of the point in the list, to leave it out.
    point : `lsst.sphgeom.UnitVector3d`
        The point.
    points : `list` [`lsst.sphgeom.UnitVector3d`]
        All points.
    radius : `float`
        How far a neighbour may be, in radians.

    Returns
    -------
    nearest : `int`
        Place of the nearest neighbour.
    distance : `float`
        How far it is, in arcseconds.
    count : `int`
        Number of neighbours within the radius.
    """
    nearest, smallest, count = -1, math.inf, 0
    for other_index, other in enumerate(points):
        if other_index == index:
            continue
        angle = separation(point, other)
        if angle < smallest:
            nearest, smallest = other_index, angle
        if angle < radius:
            count += 1
    return nearest, math.degrees(smallest) * 3600.0, count
