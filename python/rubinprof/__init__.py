"""CPU time and memory of Python over C++, from Python lines down to C++ functions.

PYTEST_DONT_REWRITE: without this word pytest warns, under `rubinprof run -m pytest`, that our plugin is imported already, which is an error
to suites that allow no warning.
"""

from rubinprof.errors import RubinprofError, TraceError, TracerError
from rubinprof.region import region
from rubinprof.tracker import Tracker, is_active, sync

__all__ = [
    "RubinprofError",
    "Trace",
    "TraceError",
    "Tracker",
    "TracerError",
    "__version__",
    "diff",
    "is_active",
    "open",
    "region",
    "sync",
]


def __getattr__(name):
    # On demand: a traced program need not load the analyzer.
    if name in ("open", "Trace"):
        from rubinprof import trace

        return getattr(trace, name)
    if name == "diff":
        from rubinprof import compare

        return compare.diff
    if name == "__version__":
        from rubinprof.version import VERSION

        return VERSION
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})  # what there is for users: no modules


def load_ipython_extension(shell):
    """What ``%load_ext rubinprof`` calls: the magic ``%%rubinprof``."""
    from rubinprof import jupyter

    jupyter.load_ipython_extension(shell)


def unload_ipython_extension(shell):
    """What ``%unload_ext rubinprof`` calls."""
    from rubinprof import jupyter

    jupyter.unload_ipython_extension(shell)
