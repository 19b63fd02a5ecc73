"""A task factory that traces the quanta of the tasks it makes.

The middleware hands its task factory to every worker by pickle, which makes
it the one object that is present wherever quanta run.
"""

import functools
import inspect
import os

from lsst.pipe.base import TaskFactory

from . import exact_quanta
from .process_trace import MODES, ProcessTrace
from .quantum_region import QuantumRegion

__all__ = ["RegionTaskFactory", "TracingTaskFactory"]


class TracingTaskFactory(TaskFactory):
    """Makes tasks through another factory and traces what they run.

    Parameters
    ----------
    directory : `str`
        Directory of the traces.
    inner : `lsst.pipe.base.TaskFactory`, optional
        Factory that makes the tasks; the middleware's own by default.
    exact_if : `~collections.abc.Iterable` [`str`], optional
        Conditions: ``"task=LABEL"``, ``"1 in N"``, ``"retry"``. Quanta for which
        one holds are traced exact where the others are sampled.
    **options
        Further keyword arguments of `rubinprof.Tracker`.

    Raises
    ------
    ValueError
        Raised when a condition is none, or nothing is sampled.

    Notes
    -----
    Where all quanta run in one process, the trace starts with the first
    quantum and goes on until the process ends. A worker started for one
    quantum unpickles its factory before it imports the task's module: the
    trace starts there, so that it shows these imports too.
    """

    def __init__(self, directory, inner=None, *, exact_if=(), **options):
        self._directory = os.path.abspath(directory)
        self._inner = inner if inner is not None else default_task_factory()
        self._options = options
        self._exact_if = exact_quanta.parse(exact_if) if exact_if else ()
        if self._exact_if and not any(options.get(name) == "sampled" for name in MODES):
            raise ValueError("exact_if chooses quanta of a sampled run; give cpu='sampled' and memory='sampled', too")
        self._trace = ProcessTrace(self._directory, options, single_quantum=False, exact_if=self._exact_if)

    def __getstate__(self):
        return {
            "directory": self._directory,
            "inner": self._inner,
            "options": self._options,
            "exact_if": self._exact_if,
            "parent_pid": os.getpid(),
        }

    def __setstate__(self, state):
        self._directory = state["directory"]
        self._inner = state["inner"]
        self._options = state["options"]
        self._exact_if = state["exact_if"]
        # A copy made within one process is no worker, and starts nothing before it makes a task.
        is_worker = state["parent_pid"] != os.getpid()
        self._trace = ProcessTrace(self._directory, self._options, single_quantum=is_worker, exact_if=self._exact_if)
        if is_worker:
            self._trace.start()

    def makeTask(self, task_node, /, butler, initInputRefs):
        # Docstring inherited.
        self._trace.start(task_node.label)
        try:
            task = self._inner.makeTask(task_node, butler, initInputRefs)
        except BaseException:
            self._trace.end_quantum()
            raise
        task.runQuantum = functools.partial(run_traced, self._trace, task_node.label, task.runQuantum)
        return task


def run_traced(trace, label, run_quantum, butlerQC, inputRefs, outputRefs):
    """Run one quantum as a region of the trace.

    Parameters
    ----------
    trace : `ProcessTrace`
        Trace of this process.
    label : `str`
        Label of the task.
    run_quantum : `~collections.abc.Callable`
        The task's own ``runQuantum``.
    butlerQC, inputRefs, outputRefs
        Arguments of ``runQuantum``.
    """
    region = QuantumRegion(label, butlerQC, outputRefs, trace.begin_quantum)
    try:
        with region:
            # From here on a kill costs what follows, not the knowledge that the quantum began.
            trace.secure()
            return run_quantum(butlerQC, inputRefs, outputRefs)
    finally:
        trace.end_quantum(region.status)


class RegionTaskFactory(TaskFactory):
    """Makes tasks through another factory, whose quanta are regions of the trace that is running, if any.

    Parameters
    ----------
    inner : `lsst.pipe.base.TaskFactory`, optional
        Factory that makes the tasks; the middleware's own by default.
    """

    def __init__(self, inner=None):
        self._inner = inner if inner is not None else default_task_factory()

    def makeTask(self, task_node, /, butler, initInputRefs):
        # Docstring inherited.
        task = self._inner.makeTask(task_node, butler, initInputRefs)
        task.runQuantum = functools.partial(run_marked, task_node.label, task.runQuantum)
        return task


def run_marked(label, run_quantum, butlerQC, inputRefs, outputRefs):
    """Run one quantum as a region; the arguments are those of `run_traced`."""
    with QuantumRegion(label, butlerQC, outputRefs):
        return run_quantum(butlerQC, inputRefs, outputRefs)


def default_task_factory():
    """Return the middleware's own factory.

    It is `lsst.pipe.base.TaskFactory` itself since release 29.2025.39; before,
    that class was abstract and ctrl_mpexec had the only real one.
    """
    if not inspect.isabstract(TaskFactory):
        return TaskFactory()
    from lsst.ctrl.mpexec import TaskFactory as OlderTaskFactory

    return OlderTaskFactory()
