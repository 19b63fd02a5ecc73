"""A table as Apache Parquet: the rows of the CSV, with their types."""

import json

from rubinprof.errors import RubinprofError
from rubinprof.exports.call_tree import tool
from rubinprof.exports.csv_table import columns, rows

SUFFIX = ".parquet"
SUMMARY = "the same table as Parquet (needs pyarrow)"
METRICS: tuple[str, ...] = ()
LACKS = ("No stacks: a row is a function, line, file, module, thread or region.",)


def write(trace, out, options):
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise RubinprofError("Parquet files need pyarrow: pip install pyarrow, or take --format csv") from None
    stats = trace.stats()
    notes = {key: stats[key] for key in ("command", "host", "python", "rubinprof", "complete", "lost_events", "wall_s", "cpu_s")}
    found = rows(trace, options)
    # By column: from rows, pyarrow would take the first one's names alone.
    table = pyarrow.table({name: pyarrow.array([row.get(name) for row in found]) for name in columns(found)})
    metadata = {"tool": tool(), "lacks": " ".join(LACKS), "stats": json.dumps(notes)}
    table = table.replace_schema_metadata({f"rubinprof.{key}": value for key, value in metadata.items()})
    pyarrow.parquet.write_table(table, out, compression="snappy")
