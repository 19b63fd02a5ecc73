"""The half of ``rubinprof attach`` that runs in the process that was entered."""

from rubinprof import tracker
from rubinprof.errors import TracerError

__all__ = ["start", "stop"]

_attached = None  # the Tracker that `start` made


def start(directory, path, options):
    """Begin to trace this process.

    Parameters
    ----------
    directory : `str`
        Where the trace goes unless ``path`` names another place: absolute, since the process may work elsewhere.
    path : `str` or `None`
        A file, which must not exist, or a directory; absolute.
    options : `dict`
        Further arguments of `rubinprof.Tracker`.

    Returns
    -------
    path : `str`
        The trace file.

    Raises
    ------
    TracerError
        Raised when the process is traced already, or tracing cannot begin.
    """
    global _attached
    if tracker.is_active():
        raise TracerError(f"it is traced already, into {tracker._capture.path()}")
    _attached = tracker.Tracker(path or directory, **options).start()
    return _attached.path


def stop(path):
    """End what `start` began, unless another trace has begun since; returns the trace file."""
    global _attached
    ended, _attached = _attached, None
    if ended is not None and ended.path == path:
        ended.stop()
    return path
