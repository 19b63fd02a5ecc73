"""A table as Apache Parquet: the rows of the CSV, with their types."""

import json

from rubinprof.errors import RubinprofError
from rubinprof.exports.call_tree import tool

SUFFIX = ".parquet"
SUMMARY = "the same table as Parquet (needs pyarrow)"
METRICS: tuple[str, ...] = ()
LACKS = ("No stacks: a row is a function, line, file, module, thread or region.",)


def rows(trace, options):
    """Rows of the table as dictionaries of plain values; labels of a region become columns ``label.NAME``."""
    if options.by != "region" or options.region is not None:
        return trace._json("table", by=options.by, n=-1, region=options.region, **options.stretch)["rows"]
    flat = []
    for row in trace.regions():
        labels = row.pop("labels")
        flat.append(row | {f"label.{key}": value for key, value in labels.items()})
    return flat


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
    names = dict.fromkeys(name for row in found for name in row)  # labels that only some regions have, too
    table = pyarrow.table({name: pyarrow.array([row.get(name) for row in found]) for name in names})
    metadata = {"tool": tool(), "lacks": " ".join(LACKS), "stats": json.dumps(notes)}
    table = table.replace_schema_metadata({f"rubinprof.{key}": value for key, value in metadata.items()})
    pyarrow.parquet.write_table(table, out, compression="snappy")
