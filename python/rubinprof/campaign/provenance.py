"""What ``butler aggregate-graph`` keeps of a run: each quantum with all its attempts, whether they succeeded or not.

The graph is read by lsst.pipe.base alone, which knows its format.
"""

import datetime
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from rubinprof.campaign.schema import TABLES
from rubinprof.campaign.store import Store
from rubinprof.errors import RubinprofError

if TYPE_CHECKING:
    from lsst.pipe.base.quantum_graph import ProvenanceQuantumGraph

__all__ = ["DATASET_TYPE", "add_provenance", "commit", "rows_of"]

DATASET_TYPE = "run_provenance"
"""Where ``butler ingest-graph`` puts the graph of a run."""
BATCH_ROWS = 100_000
STATUS = {"SUCCESSFUL": "done", "BLOCKED": "skipped"}
"""Words that traces and summaries have others for; the rest is in small letters: ``failed``, ``aborted``, ``unknown``."""
CAVEATS = {"NO_WORK": "no_work", "PARTIAL_OUTPUTS_ERROR": "partial"}
"""Caveats of a success for which a trace has a status."""


def add_provenance(store: str | os.PathLike[str], *paths: str | os.PathLike[str]) -> int:
    """Add the attempts at quanta that provenance graphs tell of.

    Parameters
    ----------
    store : `str` or `os.PathLike`
        Directory of the store, made where it is missing.
    *paths : `str` or `os.PathLike`
        Files that ``butler aggregate-graph`` wrote.

    Returns
    -------
    new : `int`
        Attempts that were not known, and quanta that nobody tried.

    Raises
    ------
    RubinprofError
        Raised when a file is no provenance graph, or the installed middleware cannot read one.
    """
    try:
        from lsst.pipe.base.quantum_graph import ProvenanceQuantumGraphReader  # optional: nothing else of campaigns needs it
    except ImportError as error:
        raise RubinprofError(f"provenance graphs need lsst-pipe-base 30 or later: {error}") from None
    graphs = []
    for path in map(os.fspath, paths):
        try:
            with ProvenanceQuantumGraphReader.open(path) as reader:
                reader.read_quanta()
                graphs.append(reader.graph)
        except FileNotFoundError:
            raise RubinprofError(f"cannot read {path}: there is no such file") from None
        except Exception as error:  # what a foreign file makes the reader raise is not said anywhere
            raise RubinprofError(f"{path} is no provenance graph: {' '.join(str(error).split())}") from None
    target = Store.create(store)
    new = sum(commit(target, graph) for graph in graphs)
    target.merge()
    return new


def commit(target: Store, graph: "ProvenanceQuantumGraph") -> int:
    """Add what a graph tells; gives the rows that were not known."""
    rows = list(rows_of(graph))
    known = target.holds((row["key"] for row in rows), "provenance")
    rows = [row for row in rows if row["key"] not in known]
    for begin in range(0, len(rows), BATCH_ROWS):
        target.commit({"provenance": pa.Table.from_pylist(rows[begin : begin + BATCH_ROWS], schema=TABLES["provenance"])}, "provenance")
    return len(rows)


def rows_of(graph: "ProvenanceQuantumGraph") -> Iterator[dict[str, Any]]:
    """One row an attempt, and one for each quantum that nobody tried."""
    nodes = graph.quantum_only_xgraph.nodes
    for task, quanta in graph.quanta_by_task.items():
        for data_id, quantum_id in quanta.items():
            about = {
                "quantum_id": str(quantum_id),
                "task": task,
                "run": graph.header.output_run,
                "data_id": dict(sorted((name, str(value)) for name, value in data_id.required.items())),
            }
            node = nodes[quantum_id]
            for attempt in node["attempts"]:
                number = attempt.attempt + 1
                earlier = attempt.previous_process_quanta
                yield about | {
                    "key": f"{quantum_id.hex}.{number}",
                    "attempt": number,
                    "status": status_of(attempt.status.name, attempt.caveats),
                    "caveats": None if attempt.caveats is None else ", ".join(caveat.name for caveat in attempt.caveats),
                    "exception": attempt.exception and attempt.exception.type_name,
                    # The whole list grows with the square of the quanta of a process; its first one and its length say as much.
                    "process": str(earlier[0] if earlier else quantum_id),
                    "earlier_quanta": len(earlier),
                    **figures_of(attempt.resource_usage),
                }
            if not node["attempts"]:
                yield about | {"key": quantum_id.hex, "status": status_of(node["status"].name, None)}


def status_of(name: str, caveats: Any) -> str:
    """The word that traces and summaries have for a status."""
    for caveat in caveats or ():
        if name == "SUCCESSFUL" and caveat.name in CAVEATS:
            return CAVEATS[caveat.name]
    return STATUS.get(name, name.lower())


def figures_of(usage: Any) -> dict[str, Any]:
    """The columns that come of a ``QuantumResourceUsage``; null where it has 0 for what it does not know."""
    if usage is None:
        return {}
    has_run = usage.run_time > 0 or usage.run_time_cpu > 0
    return {
        "start": usage.start + datetime.timedelta(seconds=usage.prep_time + usage.init_time) if has_run else None,
        "wall_s": usage.run_time if has_run else None,
        "cpu_s": usage.run_time_cpu if has_run else None,
        "prep_wall_s": usage.prep_time,
        "init_wall_s": usage.init_time if has_run else None,
        "max_rss_bytes": int(usage.memory),
    }
