"""Traces into a butler: `ingest`. A trace is one file of as many datasets as it has quanta."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from lsst.daf.butler import Butler, DataCoordinate, DatasetRef, DatasetType, FileDataset, MissingCollectionError, MissingDatasetTypeError
from rubinprof.errors import RubinprofError, TraceError

from .trace_formatter import SUFFIX, TraceFormatter, quanta

__all__ = ["STORAGE_CLASS", "Ingested", "ingest"]

STORAGE_CLASS = "StructuredDataDict"
"""One that every butler knows: a class of our own would break the repository for those who lack rubinprof."""


class Ingested(NamedTuple):
    """What came of it.

    Parameters
    ----------
    new, known : `int`
        Quanta that were ingested, and those that had a dataset already.
    refused : `list` [`str`]
        Why files could not be read.
    """

    new: int
    known: int
    refused: list[str]


def ingest(repo: str, traces: Iterable[str | os.PathLike[str]], transfer: str = "direct") -> Ingested:
    """Ingest traces.

    Parameters
    ----------
    repo : `str`
        The repository.
    traces : `~collections.abc.Iterable` [`str`]
        Files, and directories of them.
    transfer : `str`, optional
        What becomes of the files, in the butler's words.

    Returns
    -------
    done : `Ingested`
        What came of it.

    Raises
    ------
    RubinprofError
        Raised when there is no such repository, run or trace; nothing was ingested then.
    """
    try:
        butler = Butler.from_config(repo, writeable=True)
    except FileNotFoundError as error:
        raise RubinprofError(f"{repo} is no butler repository: {error}") from None
    newest, refused = _newest(traces)
    refs_of: dict[str, list[DatasetRef]] = {}
    known = 0
    present: dict[tuple[str, str], set[DataCoordinate]] = {}
    for (task, run, pairs), (_, path) in newest.items():
        kind = _dataset_type(butler, task, [name for name, _ in pairs])
        where = (kind.name, run)
        if where not in present:
            present[where] = _register(butler, kind, run)
        dimensions = butler.dimensions.dimensions
        values = {name: dimensions[name].primaryKey.getPythonType()(value) for name, value in pairs}
        data_id = DataCoordinate.standardize(values, dimensions=kind.dimensions)
        if data_id in present[where]:
            known += 1
        else:
            refs_of.setdefault(path, []).append(DatasetRef(kind, data_id, run=run))
    files = [FileDataset(path=path, refs=refs, formatter=TraceFormatter) for path, refs in sorted(refs_of.items())]
    if files:
        butler.ingest(*files, transfer=transfer)
    return Ingested(sum(map(len, refs_of.values())), known, refused)


def _newest(traces: Iterable[str | os.PathLike[str]]) -> tuple[dict[Any, tuple[float, str]], list[str]]:
    """Start and file of the last attempt at each quantum."""
    newest: dict[Any, tuple[float, str]] = {}
    refused, seen = [], 0
    for path in _files(traces):
        seen += 1
        try:
            rows = quanta(path)
        except TraceError as error:
            refused.append(str(error))
            continue
        for (task, run, data_id), row in rows:
            key = task, run, tuple(data_id.items())
            if run is not None and row["start_unix_s"] >= newest.get(key, (0.0, ""))[0]:
                newest[key] = row["start_unix_s"], path
    if not seen:
        raise RubinprofError("there is no trace: name files *.rprof, or directories that have some")
    return newest, refused


def _files(traces: Iterable[str | os.PathLike[str]]) -> list[str]:
    found = []
    for trace in map(Path, traces):
        found += sorted(trace.rglob("*.rprof")) if trace.is_dir() else [trace]
    return [os.path.abspath(path) for path in found]


def _dataset_type(butler: Butler, task: str, names: list[str]) -> DatasetType:
    """That of a task: it has the dimensions of the task's metadata."""
    try:
        dimensions = butler.get_dataset_type(f"{task}_metadata").dimensions
    except MissingDatasetTypeError:
        dimensions = butler.dimensions.conform(names)
    return DatasetType(task + SUFFIX, dimensions, STORAGE_CLASS)


def _register(butler: Butler, kind: DatasetType, run: str) -> set[DataCoordinate]:
    """Register a type; gives the data IDs that a run has of it."""
    try:
        butler.collections.get_info(run)
    except MissingCollectionError:
        raise RubinprofError(f"the repository has no run {run}, which quanta of the traces belong to") from None
    butler.registry.registerDatasetType(kind)
    return {ref.dataId for ref in butler.registry.queryDatasets(kind, collections=run)}
