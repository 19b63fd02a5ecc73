"""Tracing of pipelines that run on the Rubin middleware.

The only part of rubinprof that imports ``lsst``; nothing else imports this
package. `~rubinprof.lsst.hook` and `~rubinprof.lsst.pipetask` give
``pipetask`` its ``--rubinprof`` flag, `~rubinprof.lsst.option` is that flag,
`~rubinprof.lsst.task_factory` makes a region of every quantum and
`~rubinprof.lsst.process_trace` holds the one trace of a process.
`~rubinprof.lsst.simple_executor` does it for the executor that takes no
task factory.
"""

import importlib

__all__ = ["RegionTaskFactory", "TracingTaskFactory", "trace_simple_executor"]  # noqa: F822

_HOMES = {"RegionTaskFactory": "task_factory", "TracingTaskFactory": "task_factory", "trace_simple_executor": "simple_executor"}


def __getattr__(name):
    # Not before they are asked for: pipetask's hook imports this package where lsst must not be imported yet.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
