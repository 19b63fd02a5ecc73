"""Named stretches of a program's time."""

# The region begun last. A context variable, so that each asyncio task has its own.
try:
    from rubinprof import _capture
except ImportError:  # not on Linux: regions are allowed everywhere, and do nothing
    from contextvars import ContextVar

    _capture, _latest = None, ContextVar("rubinprof_region", default=None)
else:
    _latest = _capture.region_variable("rubinprof_region")  # from C: a traced program need not load contextvars

__all__ = ["region"]


class _Recorded:
    """A region in the trace. (No ``__init__``: that would be a call in the trace.)"""

    __slots__ = ("closed", "id", "outer", "own", "token")


# Of the class itself: what its metaclass has of these names is the program's own code.
_module_of, _qualname_of = (type.__dict__[name].__get__ for name in ("__module__", "__qualname__"))
_NO_FAILURE = (GeneratorExit, StopIteration, StopAsyncIteration)  # how what is iterated ends


class region:
    """A named stretch of a program's time, with labels.

    A context manager (``with`` and ``async with``), and a decorator of functions,
    coroutines and generators, each call of which is then one region. Regions nest.
    Without an active `rubinprof.Tracker` nothing happens.

    An exception that leaves it is noted in its labels ``exception`` and
    ``status``, unless it has labels of these names already.

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
        return self._open[-1].id if self._open and self._open[-1] else 0

    def label(self, **labels):
        """Add labels to the open region; a name given before gets the new value."""
        recorded = self._open[-1] if self._open else None
        if recorded:
            _capture.region_label(recorded.id, labels)
            recorded.own = {*recorded.own, *labels}  # their names: values are the program's to keep or drop

    def __enter__(self):
        recorded = None
        if _capture is not None:
            outer = _latest.get()
            if outer is None:
                _capture.region_inherit()
                outer = _latest.get()
            while outer is not None and outer.closed:  # generators that take turns end theirs in any order
                outer = outer.outer
            around = outer
            while around is not None and (around.closed or _capture.region_is_left(around.id)):  # suspended
                around = around.outer
            region_id = _capture.region_begin(self._name, self._labels, around.id if around else 0)
            if region_id:
                recorded = _Recorded()
                recorded.id, recorded.outer, recorded.closed = region_id, outer, False
                recorded.own = self._labels.keys()
                recorded.token = _latest.set(recorded)
        self._open.append(recorded)
        return self

    def __exit__(self, exc_type=None, exc_value=None, traceback=None):
        latest = _latest.get()
        recorded = latest
        while recorded is not None and recorded not in self._open:  # tasks may share one object: each ends its own
            recorded = recorded.outer
        if recorded is None:  # not recorded, or begun in another context
            recorded = self._open.pop()
        else:
            self._open.remove(recorded)
        if recorded:
            recorded.closed = True
            if exc_type is not None:
                _label_exception(recorded, exc_type, exc_value)
            elsewhere = False
            try:
                _latest.reset(recorded.token)
            except ValueError:
                elsewhere = True
            _latest.set(recorded.outer if latest is recorded else latest)  # another may have begun since
            _capture.region_end(recorded.id, elsewhere)
        return False

    async def __aenter__(self):
        return self.__enter__()

    async def __aexit__(self, exc_type, exc_value, traceback):
        return self.__exit__(exc_type, exc_value, traceback)

    def __call__(self, function):
        import functools
        import inspect  # with functools 15 ms of an import that each traced process has

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
                    inner = function(*args, **kwargs)
                    step = inner.__anext__()
                    while True:  # what is sent and thrown goes to it (PEP 525), as ``yield from`` does for others
                        try:
                            item = await step
                        except StopAsyncIteration:
                            return
                        try:
                            sent = yield item
                        except GeneratorExit:
                            await inner.aclose()
                            raise
                        except BaseException as error:
                            step = inner.athrow(error)
                        else:
                            step = inner.asend(sent)

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


def _label_exception(recorded, exc_type, exc_value):
    """Note that an exception leaves the region: reports then do not take it for done. Raises nothing."""
    try:
        if issubclass(exc_type, _NO_FAILURE) or (issubclass(exc_type, SystemExit) and not getattr(exc_value, "code", None)):
            return
        status = "failed" if issubclass(exc_type, Exception | SystemExit) else "interrupted"
        labels = {"status": status, "exception": f"{_module_of(exc_type)}.{_qualname_of(exc_type)}"}
        labels = {name: value for name, value in labels.items() if name not in recorded.own}
        if labels:
            _capture.region_label(recorded.id, labels)
    except Exception:  # of a class that says odd things of itself
        pass
