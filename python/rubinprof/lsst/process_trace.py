"""The one trace of a process that runs quanta."""

import atexit
import logging
import multiprocessing.util
import os

import rubinprof
from rubinprof.tracker import survives_kill

__all__ = ["ProcessTrace"]

_LOG = logging.getLogger(__name__)


class ProcessTrace:
    """The trace of this process, from its first quantum to its end.

    Whatever goes wrong in here costs the trace, never the quantum: errors
    become one warning and the quanta run on untraced.

    Parameters
    ----------
    directory : `str`
        Directory of the whole run. Traces lie in 256 directories below it,
        because a campaign makes millions of them.
    options : `dict`
        Keyword arguments of `rubinprof.Tracker`.
    single_quantum : `bool`
        Whether this process ends after one quantum, as the workers of
        ``pipetask run -j N`` do. The trace then ends with the quantum, so
        that it is whole however the process goes on from there.
    """

    def __init__(self, directory, options, single_quantum):
        self._directory = directory
        self._options = options
        self._single_quantum = single_quantum
        self._tracker = None
        self._has_failed = False
        self._pid = os.getpid()

    def start(self):
        """Start the trace, unless it runs already or could not be started."""
        if self._tracker is not None or self._has_failed:
            return
        try:
            shard = os.path.join(self._directory, os.urandom(1).hex())
            os.makedirs(shard, exist_ok=True)
            tracker = rubinprof.Tracker(shard, **self._options)
            tracker.start()
        except Exception as error:
            self._has_failed = True
            _LOG.warning("rubinprof does not trace process %d: %s", self._pid, error)
            return
        self._tracker = tracker
        # A worker forked from a server leaves by os._exit(): on CPython 3.11 that skips atexit,
        # but not multiprocessing's own finalizers. Stopping twice does no harm.
        atexit.register(self.stop)
        multiprocessing.util.Finalize(None, self.stop, exitpriority=0)

    def secure(self):
        """Make sure that a kill takes nothing of what was recorded so far.

        That is so by itself where live buffers are part of the file. Elsewhere
        they are written, which costs time and, in blocks so small, space.
        """
        if self._tracker is not None and not survives_kill():
            self._guard(rubinprof.sync)

    def end_quantum(self):
        """Note that a quantum is over, well or badly."""
        if self._single_quantum:
            self.stop()
        else:
            self.secure()

    def stop(self):
        """Stop the trace. In a child forked by the task this does nothing:
        what goes on there belongs to the child's own trace.
        """
        tracker, self._tracker = self._tracker, None
        if tracker is not None and os.getpid() == self._pid:
            self._guard(tracker.stop)

    def _guard(self, action):
        try:
            action()
        except Exception as error:
            _LOG.warning("rubinprof could not complete the trace of process %d: %s", self._pid, error)
