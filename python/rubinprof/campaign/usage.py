"""Figures of quanta under the names that the middleware's own tools give them, so that notebooks made for those go on working.

The same name means two things: ``run_time`` is CPU time in the tables of analysis_tools' gather-resource-usage, and walltime in provenance graphs.
"""

from typing import Any

import duckdb

from rubinprof.campaign.query import Campaign

__all__ = ["IS_MEASURED", "NAMES", "PERCENTILES", "summary_columns", "usage"]

PERCENTILES = (0, 1, 5, 32, 50, 68, 95, 99, 100)
"""Of the tables of analysis_tools' ResourceUsageSummary."""
# What the middleware measured; where it did not, ours. Nobody but the middleware knows what came before runQuantum.
MEMORY, WALL, CPU = "coalesce(butler_max_rss_bytes, memory_bytes)", "coalesce(butler_wall_s, wall_s)", "coalesce(butler_cpu_s, process_cpu_s)"
IS_MEASURED = f"({MEMORY} IS NOT NULL OR {WALL} IS NOT NULL)"
NAMES = {
    "gather-resource-usage": {"memory": MEMORY, "prep_time": "butler_prep_cpu_s", "init_time": "butler_init_cpu_s", "run_time": CPU, "wall_time": WALL},
    "provenance": {
        "memory": MEMORY,
        "start": "epoch(coalesce(butler_start, start)) - butler_prep_wall_s - butler_init_wall_s",
        "prep_time": "butler_prep_wall_s",
        "init_time": "butler_init_wall_s",
        "run_time": WALL,
        "run_time_cpu": CPU,
    },
}
"""SQL of each column, by whose names they are: bytes, seconds, seconds since 1970."""


def usage(campaign: Campaign, names: str, where: str | None = None) -> duckdb.DuckDBPyRelation:
    """One row for the last attempt at each quantum of which something was measured: what it is, its dimensions, and its figures.

    Parameters
    ----------
    campaign : `Campaign`
        The campaign.
    names : `str`
        A key of `NAMES`.
    where : `str`, optional
        A condition on quanta.

    Returns
    -------
    rows : `duckdb.DuckDBPyRelation`
        Columns ``task``, ``run``, ``quantum_id``, one a dimension (a number where all values are), and those of `NAMES`.
    """
    quanta = campaign.quanta(where).filter(f"is_last AND {IS_MEASURED}")
    figures = NAMES[names]
    dimensions = [name for name in campaign.dimensions() if name not in ("task", "run", "quantum_id", *figures)]
    values = [f"data_id['{name}']" for name in dimensions]
    tests = ", ".join(f"count(try_cast({value} AS BIGINT)) = count({value})" for value in values)
    are_numbers = quanta.aggregate(tests).fetchall()[0] if values else ()
    columns = [f'{f"{value}::BIGINT" if is_number else value} AS "{name}"' for name, value, is_number in zip(dimensions, values, are_numbers, strict=True)]
    columns += [f"{sql} AS {name}" for name, sql in figures.items()]
    return quanta.project(", ".join(["task", "run", "quantum_id", *columns])).order(", ".join(["task", "run", "quantum_id", *(f'"{name}"' for name in dimensions)]))


def summary_columns() -> dict[str, str]:
    """SQL of the columns of ResourceUsageSummary, over the quanta of a task: GB are of 1024**3 bytes, ``runtime`` is CPU time."""
    found = {"quanta": "count(*)", "integrated_runtime_hrs": f"sum({CPU}) / 3600"}
    of: dict[str, Any] = {"mem_GB": f"{MEMORY} / 1073741824", "runtime_s": CPU, "walltime_s": WALL}
    for name, sql in of.items():
        found |= {f"{name}_p{percent:03}": f"quantile_cont({sql}, {percent / 100})" for percent in PERCENTILES}
    return found
