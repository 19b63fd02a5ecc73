"""Quanta of a `SimplePipelineExecutor` as regions: that executor takes no task factory."""

import types

from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

from rubinprof.errors import RubinprofError

from .task_factory import RegionTaskFactory

__all__ = ["trace_simple_executor"]

METHOD = "as_generator"
"""The method that makes its task factory, by the name `FACTORY` of its module. ``run`` calls it."""

FACTORY = "TaskFactory"


def trace_simple_executor(executor):
    """Make each quantum that an executor runs a region of the trace.

    The trace is that of the `rubinprof.Tracker` that is active while it runs; without one nothing is recorded.

    Parameters
    ----------
    executor : `lsst.pipe.base.SimplePipelineExecutor`
        The executor. Only this object changes: it gets a copy of its own method that sees another task factory.
        Doing so twice is harmless.

    Returns
    -------
    executor : `lsst.pipe.base.SimplePipelineExecutor`
        The same object.

    Raises
    ------
    RubinprofError
        Raised when this is no such executor, or one of a release that makes its tasks in another way.

    Examples
    --------
    >>> with rubinprof.Tracker("isr.rprof"):
    ...     rubinprof.lsst.trace_simple_executor(executor).run()
    """
    if not isinstance(executor, SimplePipelineExecutor):
        raise RubinprofError(f"this is no SimplePipelineExecutor, but {type(executor).__name__}; others take a task_factory")
    own = getattr(type(executor), METHOD, None)
    if not isinstance(own, types.FunctionType) or own.__closure__ or FACTORY not in own.__code__.co_names:
        raise RubinprofError(f"{type(executor).__name__} does not make its tasks as releases 29 to 30 of lsst-pipe-base do; its quanta cannot be marked")
    names = {**own.__globals__, FACTORY: RegionTaskFactory}
    copy = types.FunctionType(own.__code__, names, own.__name__, own.__defaults__)
    copy.__kwdefaults__, copy.__doc__ = own.__kwdefaults__, own.__doc__
    setattr(executor, METHOD, types.MethodType(copy, executor))
    return executor
