"""The tables of a store, as pyarrow schemas; docs/campaign-store.md is the same in words.

Bytes are bytes, times are seconds, as the names say. Null means that nobody measured it.
"""

from typing import NamedTuple

import pyarrow as pa

__all__ = ["FORMAT", "KINDS", "SORTED_BY", "SUMMED", "TABLES", "VERSION", "Kind"]

FORMAT = "rubinprof-campaign"
VERSION = 3  # a reader refuses any other

_MAP = pa.map_(pa.string(), pa.string())

TABLES = {
    "quanta": pa.schema([
        ("trace", pa.string()),
        ("unit", pa.int32()),
        ("task", pa.string()),
        ("status", pa.string()),
        ("quantum_id", pa.string()),
        ("run", pa.string()),
        ("data_id", _MAP),
        ("labels", _MAP),
        ("attempt", pa.int32()),
        ("host", pa.string()),
        ("pid", pa.int32()),
        ("start", pa.timestamp("us", "UTC")),
        ("wall_s", pa.float64()),
        ("cpu_s", pa.float64()),
        ("process_cpu_s", pa.float64()),
        ("gil_wait_s", pa.float64()),
        ("calls", pa.int64()),
        ("allocations", pa.int64()),
        ("allocated_bytes", pa.int64()),
        ("peak_bytes", pa.int64()),
        ("peak_above_start_bytes", pa.int64()),
        ("leaked_bytes", pa.int64()),
        ("rss_max_bytes", pa.int64()),
        ("process_rss_max_bytes", pa.int64()),
        ("allocations_error", pa.float64()),
        ("allocated_bytes_error", pa.float64()),
        ("peak_bytes_error", pa.float64()),
        ("peak_above_start_bytes_error", pa.float64()),
        ("leaked_bytes_error", pa.float64()),
        ("mode_cpu", pa.string()),
        ("mode_memory", pa.string()),
        ("exact_if", pa.string()),
    ]),
    "processes": pa.schema([
        ("trace", pa.string()),
        ("host", pa.string()),
        ("pid", pa.int32()),
        ("command", pa.string()),
        ("python", pa.string()),
        ("start", pa.timestamp("us", "UTC")),
        ("complete", pa.bool_()),
        ("quanta", pa.int32()),
        ("wall_s", pa.float64()),
        ("cpu_s", pa.float64()),
        ("quanta_cpu_s", pa.float64()),
        ("overhead_s", pa.float64()),
        ("peak_bytes", pa.int64()),
        ("lost_events", pa.int64()),
        ("file_bytes", pa.int64()),
        ("mode_cpu", pa.string()),
        ("mode_memory", pa.string()),
    ]),
    "functions": pa.schema([
        ("frame", pa.int64()),
        ("processes", pa.int64()),
        ("calls", pa.int64()),
        ("self_cpu_ns", pa.int64()),
        ("self_cpu_variance", pa.int64()),
        ("total_cpu_ns", pa.int64()),
        ("total_cpu_variance", pa.int64()),
        ("allocations", pa.int64()),
        ("allocations_variance", pa.int64()),
        ("allocated_bytes", pa.int64()),
        ("allocated_variance", pa.int64()),
        ("leaked_bytes", pa.int64()),
        ("leaked_variance", pa.int64()),
    ]),
    "stacks": pa.schema([
        ("trace", pa.string()),
        ("unit", pa.int32()),
        ("path", pa.int64()),
        ("line", pa.int32()),
        ("cpu_ns", pa.int64()),
        ("cpu_variance", pa.int64()),
        ("allocated_bytes", pa.int64()),
        ("allocated_variance", pa.int64()),
        ("held_bytes", pa.int64()),
    ]),
    "task_stacks": pa.schema([
        ("task", pa.string()),
        ("path", pa.int64()),
        ("line", pa.int32()),
        ("stacks", pa.int64()),
        ("cpu_ns", pa.int64()),
        ("cpu_variance", pa.int64()),
        ("allocated_bytes", pa.int64()),
        ("allocated_variance", pa.int64()),
        ("held_bytes", pa.int64()),
    ]),
    "task_sums": pa.schema([
        ("task", pa.string()),
        ("frame", pa.int64()),
        ("python", pa.int64()),
        ("line", pa.int32()),
        ("cpu_ns", pa.int64()),
        ("cpu_variance", pa.int64()),
        ("allocated_bytes", pa.int64()),
        ("allocated_variance", pa.int64()),
    ]),
    "paths": pa.schema([
        ("path", pa.int64()),
        ("parent", pa.int64()),
        ("frame", pa.int64()),
        ("python", pa.int64()),
        ("cpu_ns", pa.int64()),
        ("cpu_variance", pa.int64()),
        ("allocated_bytes", pa.int64()),
        ("allocated_variance", pa.int64()),
    ]),
    "frames": pa.schema([
        ("frame", pa.int64()),
        ("release", pa.int64()),
        ("function", pa.string()),
        ("file", pa.string()),
        ("line", pa.int32()),
        ("module", pa.string()),
        ("build", pa.string()),
        ("kind", pa.string()),
        ("inlined", pa.bool_()),
    ]),
    "metadata": pa.schema([
        ("key", pa.string()),
        ("task", pa.string()),
        ("run", pa.string()),
        ("data_id", _MAP),
        ("status", pa.string()),
        ("exception", pa.string()),
        ("exit_code", pa.int32()),
        ("host", pa.string()),
        ("start", pa.timestamp("us", "UTC")),
        ("wall_s", pa.float64()),
        ("cpu_s", pa.float64()),
        ("user_s", pa.float64()),
        ("system_s", pa.float64()),
        ("prep_init_wall_s", pa.float64()),
        ("max_rss_bytes", pa.int64()),
        ("put_s", pa.float64()),
        ("get_s", pa.float64()),
        ("prep_wall_s", pa.float64()),
        ("init_wall_s", pa.float64()),
        ("prep_cpu_s", pa.float64()),
        ("init_cpu_s", pa.float64()),
    ]),
    "provenance": pa.schema([
        ("key", pa.string()),
        ("quantum_id", pa.string()),
        ("task", pa.string()),
        ("run", pa.string()),
        ("data_id", _MAP),
        ("attempt", pa.int32()),
        ("status", pa.string()),
        ("caveats", pa.string()),
        ("exception", pa.string()),
        ("process", pa.string()),
        ("earlier_quanta", pa.int32()),
        ("start", pa.timestamp("us", "UTC")),
        ("wall_s", pa.float64()),
        ("cpu_s", pa.float64()),
        ("prep_wall_s", pa.float64()),
        ("init_wall_s", pa.float64()),
        ("max_rss_bytes", pa.int64()),
    ]),
}  # fmt: skip

SORTED_BY = {
    "quanta": [("trace", "ascending"), ("unit", "ascending")],
    "processes": [("trace", "ascending")],
    "metadata": [("key", "ascending")],
    "provenance": [("key", "ascending")],
    "stacks": [(name, "ascending") for name in ("trace", "unit", "path", "line")],
    "task_stacks": [(name, "ascending") for name in ("task", "path", "line")],
    "task_sums": [(name, "ascending") for name in ("task", "frame", "python", "line")],
    "paths": [("path", "ascending")],
    "frames": [("frame", "ascending")],
    "functions": [("frame", "ascending")],
}
"""The order of rows in a file. It names each row once, so that it is the only one."""


SUMMED = {
    "functions": (("frame",), {name: "sum" for name in TABLES["functions"].names[1:]}),
    "task_stacks": (("task", "path", "line"), {name: "sum" for name in TABLES["task_stacks"].names[3:]}),
    "task_sums": (("task", "frame", "python", "line"), {name: "sum" for name in TABLES["task_sums"].names[4:]}),
    "paths": (("path", "parent", "frame", "python"), {name: "sum" for name in ("cpu_ns", "cpu_variance", "allocated_bytes", "allocated_variance")}),
    "frames": (("frame",), {name: "min" for name in TABLES["frames"].names[1:]}),
}
"""Tables with one row for all traces of a commit: what a row is of, and how the other columns of several become one, in any order."""


class Kind(NamedTuple):
    """What comes together in a commit: its tables, the largest sort of row first, and the table and column that name what was read, once each."""

    tables: tuple[str, ...]
    named_in: str
    key: str


KINDS = {
    "traces": Kind(("quanta", "processes", "functions", "stacks", "task_stacks", "task_sums", "paths", "frames"), "processes", "trace"),
    "metadata": Kind(("metadata",), "metadata", "key"),
    "provenance": Kind(("provenance",), "provenance", "key"),
}
"""What is read: traces, and the middleware's own figures."""
