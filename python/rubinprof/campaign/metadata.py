"""The middleware's own figures: the datasets ``<label>_metadata`` of a butler, and the files of ``pipetask --summary``. Provenance graphs: `rubinprof.campaign.provenance`.

What the figures mean is said by lsst.pipe.base's single_quantum_executor, which writes them: under ``quantum`` the prefixes prep, init, start and end, each with Utc,
CpuTime (``process_time``, all threads), UserTime, SystemTime (s) and MaxResidentSetSize (bytes, the high-water mark of the process).
"""

import datetime
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

from rubinprof.campaign import provenance
from rubinprof.campaign.schema import TABLES
from rubinprof.campaign.store import Store
from rubinprof.errors import RubinprofError

__all__ = ["add_butler", "add_summaries"]

BATCH_QUANTA = 10_000
STATUS = {"success": "done", "failure": "failed"}
"""Words of a summary file that a trace has others for."""


def add_butler(
    store: str | os.PathLike[str], repo: str, collections: str | Iterable[str], *, progress: Callable[[int, int], object] | None = None
) -> int:
    """Add the figures of every quantum that has metadata in a butler, and the provenance graphs of its runs.

    Parameters
    ----------
    store : `str` or `os.PathLike`
        Directory of the store, made where it is missing.
    repo : `str`
        The butler's repository.
    collections : `str` or `~collections.abc.Iterable` [`str`]
        Where to look.
    progress : `~collections.abc.Callable`, optional
        Called with datasets read and datasets to read.

    Returns
    -------
    new : `int`
        Quanta that were not known.

    Raises
    ------
    RubinprofError
        Raised when there is no such repository or collection, or no metadata in it.
    """
    from lsst.daf.butler import Butler, EmptyQueryResultError, MissingCollectionError  # optional: nothing else of campaigns needs it

    target = Store.create(store)
    try:
        butler = Butler.from_config(repo)
        types = sorted(kind.name for kind in butler.registry.queryDatasetTypes("*_metadata"))
        found = [ref for name in types for ref in _datasets(butler, name, collections, EmptyQueryResultError)]
        graphs = [ref for kind in butler.registry.queryDatasetTypes(provenance.DATASET_TYPE) for ref in _datasets(butler, kind.name, collections, EmptyQueryResultError)]
    except FileNotFoundError as error:
        raise RubinprofError(f"{repo} is no butler repository: {error}") from None
    except MissingCollectionError as error:
        raise RubinprofError(f"{repo} has no such collection: {error}") from None
    if not found and not graphs:
        raise RubinprofError(f"{repo} has no metadata of a task in {collections}")
    known = target.holds((ref.id.hex for ref in found), "metadata")
    wanted = [ref for ref in found if ref.id.hex not in known]
    new = 0
    for begin in range(0, len(wanted), BATCH_QUANTA):
        rows = []
        for ref in wanted[begin : begin + BATCH_QUANTA]:
            label = ref.datasetType.name.removesuffix("_metadata")
            data_id = {name: str(value) for name, value in ref.dataId.required.items()}
            figures = quantum_figures(butler.get(ref).to_dict().get("quantum", {}))
            rows.append({"key": ref.id.hex, "task": label, "run": ref.run, "data_id": dict(sorted(data_id.items())), "status": "done"} | figures)
            if progress:
                progress(begin + len(rows), len(wanted))
        new += _commit(target, rows)
    new += sum(provenance.commit(target, butler.get(ref, parameters={"datasets": ()})) for ref in graphs)
    target.merge()
    return new


def add_summaries(store: str | os.PathLike[str], *paths: str | os.PathLike[str]) -> int:
    """Add the quanta that did not succeed, as files of ``pipetask --summary`` tell of them: these have no metadata.

    Parameters
    ----------
    store : `str` or `os.PathLike`
        Directory of the store, made where it is missing.
    *paths : `str` or `os.PathLike`
        The files.

    Returns
    -------
    new : `int`
        Quanta that were not known.

    Raises
    ------
    RubinprofError
        Raised when a file is no summary.
    """
    rows = []
    for path in paths:
        try:
            with open(path) as file:
                rows += summary_rows(json.load(file))
        except OSError as error:
            raise RubinprofError(f"cannot read {path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RubinprofError(f"{path} is no summary of pipetask") from None
    target = Store.create(store)
    new = _commit(target, rows)
    target.merge()
    return new


def _datasets(butler, name, collections, empty):
    try:
        return butler.query_datasets(name, collections=collections, find_first=False, limit=None)
    except empty:
        return []


def _commit(target: Store, rows: list[dict[str, Any]]) -> int:
    return target.commit({"metadata": pa.Table.from_pylist(rows, schema=TABLES["metadata"])}, "metadata") if rows else 0


def quantum_figures(quantum: dict[str, Any]) -> dict[str, Any]:
    """The columns that come of what stands under ``quantum``; what is missing there is null."""

    def at(name: str) -> Any:
        value = quantum.get(name)
        return value[-1] if isinstance(value, list | tuple) and value else value

    def between(name: str, begin: str = "start", end: str = "end") -> float | None:
        first, last = at(begin + name), at(end + name)
        if first is None or last is None:
            return None
        return (moment(last) - moment(first)).total_seconds() if name == "Utc" else last - first

    memory, start, metrics = at("endMaxResidentSetSize"), at("startUtc"), quantum.get("butler_metrics") or {}
    return {
        "host": at("nodeName"),
        "start": None if start is None else moment(start),
        "wall_s": between("Utc"),
        "cpu_s": between("CpuTime"),
        "user_s": between("UserTime"),
        "system_s": between("SystemTime"),
        "prep_init_wall_s": between("Utc", "prep", "start"),
        "max_rss_bytes": None if memory is None else int(memory),
        "put_s": metrics.get("time_in_put"),
        "get_s": metrics.get("time_in_get"),
        "prep_wall_s": between("Utc", "prep", "init"),
        "init_wall_s": between("Utc", "init", "start"),
        "prep_cpu_s": between("CpuTime", "prep", "init"),
        "init_cpu_s": between("CpuTime", "init", "start"),
    }


def moment(text: str) -> datetime.datetime:
    """A time as metadata has it, in UTC also where the text does not say so."""
    time = datetime.datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)


def summary_rows(summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One row for each quantum of a summary that did not succeed. Summaries give no id of these: they are known by the graph's time and what they are."""
    run, made = summary["qgraphSummary"].get("outputRun"), summary["qgraphSummary"].get("creationUTC")
    for quantum in summary.get("quantaReports", []):
        if quantum["status"] != "success":
            data_id = dict(sorted((key, str(value)) for key, value in quantum["dataId"].items()))
            yield {
                "key": hashlib.sha256(json.dumps([run, made, quantum["taskLabel"], data_id]).encode()).hexdigest()[:32],
                "task": quantum["taskLabel"],
                "run": run,
                "data_id": data_id,
                "status": STATUS.get(quantum["status"], quantum["status"]),
                "exception": (quantum.get("exceptionInfo") or {}).get("className"),
                "exit_code": quantum.get("exitCode"),
            }
