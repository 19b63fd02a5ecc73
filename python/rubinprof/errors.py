"""What rubinprof raises. The text of each is one sentence that can be shown as it is."""


class RubinprofError(Exception):
    """Base of everything rubinprof raises on purpose."""


class TraceError(RubinprofError):
    """A trace cannot be read, or does not hold what was asked for.

    Attributes
    ----------
    code : `int`
        Negative number from ``rubinprof/rp_error.h``; 0 where Python found the fault itself.
    """

    code: int = 0


class TracerError(RubinprofError):
    """Tracing cannot start, or what was traced could not all be written.

    Attributes
    ----------
    code : `int`
        Negative number from ``rubinprof/rp_error.h``; 0 where Python found the fault itself.
    """

    code: int = 0
