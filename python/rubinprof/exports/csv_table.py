"""A table as CSV, every figure the analyzer has of a row."""

from typing import Any, BinaryIO

SUFFIX = ".csv"
SUMMARY = "a table (--by function, line, file, module, thread, region), every figure"
METRICS: tuple[str, ...] = ()
LACKS = (
    "No stacks: a row is a function, line, file, module, thread or region.",
    "No place for metadata: what was lost is in 'rubinprof stats'.",
)


def write(trace: Any, out: BinaryIO, options: Any) -> None:
    # Regions in their order of time.
    name = "regions" if options.by == "region" and options.region is None else "table"
    trace.report(name, "csv", by=options.by, region=options.region, n=-1, write=out.write, **({} if name == "regions" else options.stretch))
