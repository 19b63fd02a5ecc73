"""What a store keeps of one trace: its quanta, its process, its functions and stacks."""

import datetime
import os
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rubinprof.campaign import columns
from rubinprof.campaign.schema import KINDS, SUMMED, TABLES
from rubinprof.errors import TraceError
from rubinprof.trace import Trace

__all__ = ["read", "read_many"]

OWN_LABELS = ("task", "status", "quantum_id", "run", "data_id", "exact_if")
"""Labels of a quantum that are columns; the others stay together, but for the dimensions that ``data_id`` holds already."""

FIGURES = (
    "wall_s", "cpu_s", "process_cpu_s", "gil_wait_s", "calls", "allocations", "allocated_bytes", "peak_bytes", "peak_above_start_bytes",
    "leaked_bytes",
)  # fmt: skip
WITH_ERROR = ("allocations", "allocated_bytes", "peak_bytes", "peak_above_start_bytes", "leaked_bytes")


def read(path: str | os.PathLike[str]) -> dict[str, pa.Table]:
    """Read one trace.

    Parameters
    ----------
    path : `str` or `os.PathLike`
        The trace file.

    Returns
    -------
    tables : `dict` [`str`, `pyarrow.Table`]
        Rows of each table of the kind "traces".

    Raises
    ------
    TraceError
        Raised when the file is no trace.
    """
    with Trace(path) as trace:
        units = columns.read(trace.report("units", "columns"))  # first: what follows is of the same replay
        (uuid, _), stats = trace.heads()[0], trace.stats()
        quanta = quantum_rows(uuid, stats, trace.regions())
        rows = {"quanta": quanta, "processes": [process_row(uuid, stats, quanta)]}
    made = {name: pa.Table.from_pylist(rows[name], schema=TABLES[name]) for name in rows}
    units["task_stacks"] = units["stacks"] | {"task": _tasks(quanta, units["stacks"]["unit"]), "stacks": pa.array(np.ones(len(units["stacks"]["unit"]), np.int64))}
    return made | {name: _with_trace(uuid, name, units[name]) for name in ("functions", "stacks", "task_stacks", "paths", "frames")}


def _schema(name: str) -> pa.Schema:
    """The columns of a table, and the trace that a row is of, where the store has one row for all."""
    return TABLES[name] if name not in SUMMED else TABLES[name].insert(0, pa.field("trace", pa.string()))


def _tasks(quanta: list[dict[str, Any]], units: pa.Array) -> pa.Array:
    """The task of each unit."""
    place = np.zeros(max((row["unit"] for row in quanta), default=0) + 1, np.int64)
    place[[row["unit"] for row in quanta]] = np.arange(len(quanta))
    return pa.array([row["task"] for row in quanta], pa.string()).take(pa.array(place[np.asarray(units)]))


def _with_trace(uuid: str, name: str, arrays: dict[str, pa.Array]) -> pa.Table:
    if name == "frames":
        arrays = arrays | {"kind": pc.if_else(pc.equal(arrays["is_python"], 1), "python", "native"), "inlined": pc.equal(arrays["is_inlined"], 1)}
    rows = len(next(iter(arrays.values())))
    arrays = arrays | {"trace": pa.repeat(uuid, rows), "processes": pa.array(np.ones(rows, np.int64))}
    schema = _schema(name)
    return pa.table([arrays[column] for column in schema.names], names=schema.names).cast(schema)


def read_many(paths: list[str]) -> tuple[dict[str, pa.Table], list[dict[str, str]]]:
    """Read several traces; what cannot be read stops none of the others.

    Returns
    -------
    tables : `dict` [`str`, `pyarrow.Table`]
        Rows of all that could be read.
    refused : `list` [`dict`]
        ``path`` and ``reason`` of the others.
    """
    read_ones, refused = [], []
    for path in paths:
        try:
            read_ones.append(read(path))
        except TraceError as error:
            refused.append({"path": path, "reason": str(error)})
    tables = {name: pa.concat_tables([_schema(name).empty_table(), *(one[name] for one in read_ones)]) for name in KINDS["traces"].tables}
    return tables, refused


def quantum_rows(uuid: str, stats: dict[str, Any], regions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each region that lies in no other, in the order in which they began."""
    rows = []
    for region in regions:
        if region["parent"] is not None:
            continue
        labels = region["labels"]
        row = {"trace": uuid, "unit": region["index"], "pid": region["pid"], "host": region["host"]}
        row |= {name: region.get(name) for name in FIGURES}
        # Reports of an exact trace have no errors; an error that is null there is unknown.
        row |= {f"{name}_error": region.get(f"{name}_error", None if row[name] is None else 0.0) for name in WITH_ERROR}
        row["rss_max_bytes"], row["process_rss_max_bytes"] = region["rss_max"], region["process_rss_max"]
        row["task"] = labels.get("task", region["name"])
        row["status"] = "unfinished" if region["unfinished"] else labels.get("status", "done")
        row["quantum_id"], row["run"] = labels.get("quantum_id"), labels.get("run")
        row["data_id"] = dimensions(labels.get("data_id", ""))
        row["labels"] = {key: value for key, value in labels.items() if key not in OWN_LABELS and row["data_id"].get(key.removeprefix("dim_")) != value}
        row["start"] = moment(region["start_unix_s"])
        row["attempt"], row["exact_if"] = region["attempt"], labels.get("exact_if")
        row["mode_cpu"], row["mode_memory"] = stats["mode"]["cpu"], stats["mode"]["memory"]
        rows.append(row)
    return rows


def process_row(uuid: str, stats: dict[str, Any], quanta: list[dict[str, Any]]) -> dict[str, Any]:
    """The row of a process: what its trace says as a whole."""
    row = {name: stats.get(name) for name in TABLES["processes"].names}
    row |= {"trace": uuid, "pid": stats["by_process"][0]["pid"], "quanta": len(quanta), "start": moment(stats["start_s"])}
    row["mode_cpu"], row["mode_memory"] = stats["mode"]["cpu"], stats["mode"]["memory"]
    times = [quantum["process_cpu_s"] for quantum in quanta]
    row["quanta_cpu_s"] = None if None in times else sum(times)
    return row


def dimensions(data_id: str) -> dict[str, str]:
    """The pairs of a data ID as a region's label has it: ``detector=0, visit=12``."""
    pairs = (part.partition("=") for part in data_id.split(", ") if part)
    return dict(sorted((key, value) for key, equals, value in pairs if equals))


def moment(seconds: float) -> datetime.datetime:
    """A time in seconds since 1970, in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
