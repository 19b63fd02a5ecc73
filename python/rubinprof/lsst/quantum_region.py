"""A quantum as a region of the trace: its labels and how it ended."""

import json
import logging

import rubinprof
from lsst.pipe.base import AnnotatedPartialOutputsError, InvalidQuantumError, NoWorkFound, RepeatableQuantumError
from rubinprof import _analyze

__all__ = ["QuantumRegion"]

_LOG = logging.getLogger(__name__)

STATUS_BY_EXCEPTION = (
    # The first that fits counts: partial outputs are a kind of repeatable error.
    (NoWorkFound, "no_work"),
    (AnnotatedPartialOutputsError, "partial"),
    (RepeatableQuantumError, "failed_repeatable"),
    (InvalidQuantumError, "failed_invalid"),
    (Exception, "failed"),
    (BaseException, "interrupted"),
)
"""What an exception says about the quantum that it leaves."""

OWN_NAMES = frozenset(
    # Labels of a quantum.
    "status data_id task quantum_id run exception exact_if "
    # Columns of a campaign's store, and what campaigns ask by.
    "allocated cpu day file function gil_wait leaked library memory mode_cpu mode_memory peak rss start trace unit wall".split()
) | {column["key"] for column in json.loads(_analyze.REGION_COLUMNS)}
"""Names that mean something else already: a dimension of such a name has the prefix ``dim_``."""

UNFINISHED = "unfinished"
"""Status of a quantum until it ends, and for ever when it is killed."""


class QuantumRegion:
    """Context manager that marks a quantum in the trace.

    Exceptions pass through as they are, since the middleware steers by them.
    Trouble with the trace itself is logged and does not touch the quantum.

    Parameters
    ----------
    label : `str`
        Label of the task in the pipeline.
    butlerQC : `lsst.pipe.base.QuantumContext`
        Butler of the quantum.
    outputRefs : `lsst.pipe.base.OutputQuantizedConnection`
        References to its outputs.
    begin : `~collections.abc.Callable`, optional
        Called with the labels before the region begins; gives further ones.
    """

    def __init__(self, label, butlerQC, outputRefs, begin=None):
        self._label = label
        self._butlerQC = butlerQC
        self._outputRefs = outputRefs
        self._begin = begin
        self._region = None
        self.status = UNFINISHED

    def __enter__(self):
        try:
            labels = quantum_labels(self._label, self._butlerQC, self._outputRefs)
            if self._begin is not None:
                labels |= self._begin(labels)
            region = rubinprof.region(self._label, **labels)
            self._handle = region.__enter__()
            self._region = region
        except Exception as error:
            _LOG.warning("rubinprof does not mark this quantum of %s: %s", self._label, error)
        return self

    def __exit__(self, exc_type, exc_value, traceback):
        outcome = outcome_labels(exc_type)
        self.status = outcome["status"]
        if self._region is None:
            return False
        try:
            self._handle.label(**outcome)
            self._region.__exit__(exc_type, exc_value, traceback)
        except Exception as error:
            _LOG.warning("rubinprof could not end the mark of this quantum of %s: %s", self._label, error)
        return False


def quantum_labels(label, butlerQC, outputRefs):
    """Return what identifies a quantum.

    Parameters
    ----------
    label : `str`
        Label of the task.
    butlerQC : `lsst.pipe.base.QuantumContext`
        Butler of the quantum.
    outputRefs : `lsst.pipe.base.OutputQuantizedConnection`
        References to its outputs.

    Returns
    -------
    labels : `dict` [`str`, `str`]
        ``status``, ``data_id``, ``task`` and, where known, ``quantum_id`` and
        ``run``; what matters most to a reader comes first. Then each dimension
        of the data ID whose value is known. A retried quantum has the same
        labels again.
    """
    labels = {"status": UNFINISHED, "data_id": data_id_text(butlerQC.quantum.dataId), "task": label}
    provenance = getattr(butlerQC, "dataset_provenance", None)
    quantum_id = getattr(provenance, "quantum_id", None)
    if quantum_id is not None:
        labels["quantum_id"] = str(quantum_id)
    run = output_run(outputRefs)
    if run is not None:
        labels["run"] = run
    return labels | dimension_labels(butlerQC.quantum.dataId)


def dimension_labels(data_id):
    """Return the dimensions of a data ID, those that others imply (``band``) too where their values are known.

    Parameters
    ----------
    data_id : `lsst.daf.butler.DataCoordinate` or `None`
        The data ID.

    Returns
    -------
    labels : `dict` [`str`, `str`]
        Values by the dimension's name, which has the prefix ``dim_`` where it is one of `OWN_NAMES`.
    """
    known = data_id.mapping if data_id is not None else {}
    # An implied dimension may have no value: a calibration exposure has no filter.
    return {f"dim_{name}" if name in OWN_NAMES else name: str(value) for name, value in known.items() if value is not None}


def data_id_text(data_id):
    """Return the required part of a data ID, as in ``detector=0, visit=12``."""
    if data_id is None:
        return ""
    return ", ".join(f"{dimension}={value}" for dimension, value in data_id.required.items())


def output_run(outputRefs):
    """Return the run that the quantum writes to, or `None` without outputs."""
    for _, refs in outputRefs:
        for ref in refs if isinstance(refs, list | tuple) else [refs]:
            return ref.run
    return None


def outcome_labels(exc_type):
    """Return how a quantum ended.

    Parameters
    ----------
    exc_type : `type` or `None`
        Exception that leaves ``runQuantum``, if any.

    Returns
    -------
    labels : `dict` [`str`, `str`]
        ``status`` and, after an exception, its name.
    """
    if exc_type is None:
        return {"status": "done"}
    status = next(status for kind, status in STATUS_BY_EXCEPTION if issubclass(exc_type, kind))
    return {"status": status, "exception": f"{exc_type.__module__}.{exc_type.__qualname__}"}
