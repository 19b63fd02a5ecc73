"""Named stretches of a program's time."""

import functools
from contextvars import ContextVar

try:
    from rubinprof import _capture
except ImportError:  # not on Linux: regions are allowed everywhere, and do nothing
    _capture = None

__all__ = ["region"]

# The region that a new one lies in. A context variable, so that each asyncio task has its own.
_current = ContextVar("rubinprof_region", default=0)


class region:
    """A named stretch of a program's time, with labels.

    A context manager (``with`` and ``async with``), and a decorator of functions,
    coroutines and generators, each call of which is then one region. Regions nest.
    Without an active `rubinprof.Tracker` nothing happens.

    Parameters
    ----------
    name : `str`
        What the stretch is called in reports.
    **labels
        What tells it from others of its name; values are kept as text.

    Examples
    --------
    >>> with rubinprof.region("background", detector=10) as background:
    ...     background.label(status="done")
    """

    __slots__ = ("_labels", "_name", "_open")

    def __init__(self, name, /, **labels):
        if not isinstance(name, str):
            raise TypeError(f"a region's name is a string, not {type(name).__name__}; as a decorator: @region('name')")
        self._name = name
        self._labels = labels
        self._open = []

    @property
    def id(self):
        """Number of the region in the trace; 0 when it is not recorded."""
        return self._open[-1][0] if self._open else 0

    def label(self, **labels):
        """Add labels to the open region; a name given before gets the new value."""
        if self.id:
            _capture.region_label(self.id, labels)

    def __enter__(self):
        region_id = token = 0
        if _capture is not None:
            region_id = _capture.region_begin(self._name, self._labels, _current.get())
        if region_id:
            token = _current.set(region_id)
        self._open.append((region_id, token))
        return self

    def __exit__(self, exc_type=None, exc_value=None, traceback=None):
        region_id, token = self._open.pop()
        if region_id:
            try:
                _current.reset(token)
            except ValueError:  # closed in another context: an asynchronous generator finalised by the loop
                pass
            _capture.region_end(region_id)
        return False

    async def __aenter__(self):
        return self.__enter__()

    async def __aexit__(self, exc_type, exc_value, traceback):
        return self.__exit__(exc_type, exc_value, traceback)

    def __call__(self, function):
        import inspect  # 12 ms of an import that each traced process has

        again = functools.partial(region, self._name, **self._labels)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args, **kwargs):
                with again():
                    return await function(*args, **kwargs)

        elif inspect.isasyncgenfunction(function):

            @functools.wraps(function)
            async def wrapper(*args, **kwargs):
                with again():
                    async for item in function(*args, **kwargs):
                        yield item

        elif inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                with again():
                    return (yield from function(*args, **kwargs))

        else:

            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                with again():
                    return function(*args, **kwargs)

        return wrapper
