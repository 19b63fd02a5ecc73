"""What a store keeps of one trace: its quanta, its process, its functions and stacks."""

import datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rubinprof.campaign import columns
from rubinprof.campaign.schema import KINDS, SUMMED, TABLES
from rubinprof.errors import TraceError
from rubinprof.trace import Trace

__all__ = ["read_many"]

OWN_LABELS = ("task", "status", "quantum_id", "run", "data_id", "exact_if")
"""Labels of a quantum that are columns; the others stay together, but for the dimensions that ``data_id`` holds already."""

FIGURES = (
    "wall_s", "cpu_s", "process_cpu_s", "gil_wait_s", "calls", "allocations", "allocated_bytes", "peak_bytes", "peak_above_start_bytes",
    "leaked_bytes",
)  # fmt: skip
WITH_ERROR = ("allocations", "allocated_bytes", "peak_bytes", "peak_above_start_bytes", "leaked_bytes")


class _Seen(NamedTuple):
    """What the analyzer says of one trace."""

    uuid: str
    units: bytes
    quanta: list[dict[str, Any]]
    process: dict[str, Any]


def read_many(paths: list[str]) -> tuple[dict[str, pa.Table], list[dict[str, str]]]:
    """Read several traces; what cannot be read stops none of the others.

    Parameters
    ----------
    paths : `list` [`str`]
        The trace files.

    Returns
    -------
    tables : `dict` [`str`, `pyarrow.Table`]
        Rows of each table of the kind "traces", of all that could be read.
    refused : `list` [`dict`]
        ``path`` and ``reason`` of the others.
    """
    seen, refused = [], []
    for path in paths:
        try:
            seen.append(_see(path))
        except TraceError as error:
            refused.append({"path": path, "reason": str(error)})
    if not seen:
        return {name: _schema(name).empty_table() for name in KINDS["traces"].tables}, refused
    quanta = [row for one in seen for row in one.quanta]
    tables = {"quanta": pa.Table.from_pylist(quanta, TABLES["quanta"]), "processes": pa.Table.from_pylist([one.process for one in seen], TABLES["processes"])}
    units, traces = columns.read(*(one.units for one in seen)), pa.array([one.uuid for one in seen])
    units["task_stacks"] = units["stacks"] | {"task": _tasks(seen, units["stacks"])}
    units["task_sums"]["task"] = _tasks(seen, units["task_sums"])
    return tables | {name: _table(name, units[name], traces) for name in KINDS["traces"].tables if name not in tables}, refused


def _see(path: str) -> _Seen:
    with Trace(path) as trace:
        units = trace.report("units", "columns")  # first: what follows is of the same replay
        (uuid, _), stats = trace.heads()[0], trace.stats()
        quanta = quantum_rows(uuid, stats, trace.regions())
        assert units is not None
        return _Seen(uuid, units, quanta, process_row(uuid, stats, quanta))


def _schema(name: str) -> pa.Schema:
    """The columns of a table, and the trace that a row is of, where the store has one row for all."""
    return TABLES[name] if name not in SUMMED else TABLES[name].insert(0, pa.field("trace", pa.string()))


def _tasks(seen: list[_Seen], rows: dict[str, pa.Array]) -> pa.Array:
    """The task of the unit of each row; null where it is of none."""
    tasks = [row["task"] for one in seen for row in one.quanta]
    # By trace and unit, as they come: regions have their numbers in the order of these rows.
    places = np.array([nth << 32 | row["unit"] for nth, one in enumerate(seen) for row in one.quanta], np.int64)
    units = np.asarray(rows["unit"])
    wanted = np.asarray(rows[columns.REPORT]) << 32 | units
    return pa.array(tasks, pa.string()).take(pa.array(np.searchsorted(places, wanted), mask=units < 0))


def _table(name: str, arrays: dict[str, pa.Array], traces: pa.Array) -> pa.Table:
    """The rows of one table of the report; `traces` has the uuid of each."""
    if name == "frames":
        arrays = arrays | {"kind": pc.if_else(pc.equal(arrays["is_python"], 1), "python", "native"), "inlined": pc.equal(arrays["is_inlined"], 1)}
    once = pa.array(np.ones(len(arrays[columns.REPORT]), np.int64))
    arrays = arrays | {"trace": traces.take(arrays[columns.REPORT]), "processes": once, "stacks": once}
    schema = _schema(name)
    return pa.table([arrays[column] for column in schema.names], names=schema.names).cast(schema)


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
