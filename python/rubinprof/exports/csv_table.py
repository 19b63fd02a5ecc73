"""A table as CSV, every figure the analyzer has of a row."""

import io

from rubinprof.reports import csv_cells

SUFFIX = ".csv"
SUMMARY = "a table (--by function, line, file, module, thread, region), every figure"
METRICS: tuple[str, ...] = ()
LACKS = (
    "No stacks: a row is a function, line, file, module, thread or region.",
    "No place for metadata: what was lost is in 'rubinprof stats'.",
)


def rows(trace, options):
    """Rows of the table as dictionaries of plain values; labels of a region become columns ``label.NAME``."""
    if options.by != "region":
        return trace.table(options.by, region=options.region)
    if options.region is not None:
        raise ValueError("a region is told whole: a table by region cannot be limited to one")
    flat = []
    for row in trace.regions():
        labels = row.pop("labels")
        flat.append(row | {f"label.{key}": value for key, value in labels.items()})
    return flat


def columns(found):
    """The names of all columns: labels that only some regions have are columns too."""
    return list(dict.fromkeys(name for row in found for name in row))


def write(trace, out, options):
    found = rows(trace, options)
    names = columns(found)
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    csv_cells.write_rows(text, [names, *([row.get(name, "") for name in names] for row in found)])
    text.detach()
