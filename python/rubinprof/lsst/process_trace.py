"""The one trace of a process that runs quanta."""

import atexit
import logging
import multiprocessing.util
import os

import rubinprof
from rubinprof.tracker import survives_kill

from .exact_quanta import ExactQuanta

__all__ = ["ProcessTrace"]

_LOG = logging.getLogger(__name__)

MODES = ("cpu", "memory")


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
    exact_if : `tuple` [`str`], optional
        Conditions of `exact_quanta`. A process that runs quanta of both kinds
        has several traces, one after the other.
    """

    def __init__(self, directory, options, single_quantum, exact_if=()):
        self._directory = directory
        self._options = options
        self._single_quantum = single_quantum
        self._exact_quanta = ExactQuanta(directory, exact_if)
        self._is_exact = False
        self._tracker = None
        self._has_failed = False
        self._ends_with_process = False
        self._pid = os.getpid()

    def start(self, label=None):
        """Start the trace, unless it runs already or could not be started.

        Parameters
        ----------
        label : `str`, optional
            Task whose quanta come next: all of them may be traced exact.
        """
        if self._tracker is not None or self._has_failed:
            return
        self._start(is_exact=label is not None and self._exact_quanta.by_task(label) is not None)

    def _start(self, is_exact):
        options = self._options | {name: "exact" for name in MODES if is_exact and self._options.get(name) == "sampled"}
        try:
            shard = os.path.join(self._directory, os.urandom(1).hex())
            os.makedirs(shard, exist_ok=True)
            tracker = rubinprof.Tracker(shard, **options)
            tracker.start()
        except Exception as error:
            self._has_failed = True
            _LOG.warning("rubinprof does not trace process %d: %s", self._pid, error)
            return
        self._tracker, self._is_exact = tracker, is_exact
        if self._ends_with_process:
            return
        self._ends_with_process = True
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

    def begin_quantum(self, labels):
        """Go on in the trace that a quantum belongs into.

        Parameters
        ----------
        labels : `dict` [`str`, `str`]
            What `quantum_region.quantum_labels` says of it.

        Returns
        -------
        labels : `dict` [`str`, `str`]
            Further ones: ``exact_if``, the condition that has chosen it.
        """
        condition = None
        try:
            condition = self._exact_quanta.begin(labels)
        except Exception as error:
            _LOG.warning("rubinprof does not know whether to trace this quantum exact: %s", error)
        if self._has_failed:
            return {}
        if self._tracker is None or self._is_exact != (condition is not None):
            self.stop()
            if condition is not None and rubinprof.is_active():
                _LOG.warning("rubinprof does not trace this quantum exact: the process is traced by something else already")
                condition = None
            self._start(is_exact=condition is not None)
        return {"exact_if": condition} if condition is not None and self._tracker is not None else {}

    def end_quantum(self, status=None):
        """Note that a quantum is over.

        Parameters
        ----------
        status : `str`, optional
            How it ended, where it began.
        """
        if status is not None:
            self._exact_quanta.end(status)
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
