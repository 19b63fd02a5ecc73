"""Traces for other viewers. One file a format; each has

``SUFFIX``, ``SUMMARY``
    of a file name; one line for people.
``LACKS``
    What the format cannot carry, one sentence each: shown by ``--help``, and written into the file where it has a place for it.
``METRICS``
    The metrics that one file can be asked for by name, the default first; empty where a file carries all of them.
``write(trace, out, options)``
    Writes the bytes to a binary stream.
"""

import importlib
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple

__all__ = ["FORMATS", "Options", "exporter", "write"]

# Format to module.
FORMATS = {
    "pstats": "profile_stats",
    "speedscope": "speedscope",
    "collapsed": "collapsed",
    "callgrind": "callgrind",
    "pprof": "pprof",
    "firefox": "firefox",
    "perfetto": "perfetto",
    "csv": "csv_table",
    "parquet": "parquet_table",
}


class Options(NamedTuple):
    """What an export is asked for. ``by`` is used by tables alone; ``from_s`` and ``to_s`` 0: the whole run."""

    metric: str = ""
    by: str = "function"
    region: str | None = None
    progress: Any = None
    from_s: float = 0.0
    to_s: float = 0.0

    @property
    def stretch(self) -> dict[str, float]:
        """The stretch of time, as reports take it."""
        return {"from_s": self.from_s, "to_s": self.to_s}


def exporter(format: str) -> ModuleType:
    """The module of a format."""
    if format not in FORMATS:
        raise ValueError(f"there is no export format {format!r}; there are {', '.join(FORMATS)}")
    return importlib.import_module(f"{__name__}.{FORMATS[format]}")


def write(trace: Any, out: BinaryIO, format: str, options: Options = Options()) -> None:
    """Write a trace in a format to a stream.

    Raises
    ------
    ValueError
        Raised when the format does not exist, or does not carry the metric.
    """
    module = exporter(format)
    if not module.METRICS:
        if options.metric:
            raise ValueError(f"{format} carries all metrics at once: leave out the metric")
    elif options.metric and options.metric not in module.METRICS:
        raise ValueError(f"{format} carries {', '.join(module.METRICS)}, not {options.metric!r}")
    else:
        options = options._replace(metric=options.metric or module.METRICS[0])
    module.write(trace, out, options)
