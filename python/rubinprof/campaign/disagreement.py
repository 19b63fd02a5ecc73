"""Where our figures of a quantum and the middleware's differ by more than a bound, and why. docs/guide/campaign.md says it in words."""

from typing import Any, NamedTuple

import duckdb

from rubinprof.campaign.query import Campaign

__all__ = ["BOUNDS", "BOUNDS_TEXT", "WHY", "Row", "disagreement"]

MIB = 1024**2
BOUNDS = {"wall": (0.05, 0.02), "cpu": (0.05, 0.02), "memory": (16 * MIB, 0.05)}
"""What they may differ by: seconds or bytes, and a share of theirs beside."""
BOUNDS_TEXT = "Within the bound are 50 ms and 2 % of theirs (wall, CPU), 16 MiB and 5 % (memory)."
WHY = {
    "attempt": "theirs is of another attempt",
    "unfinished": "the trace ends before the quantum does",
    "tool": "the tool's own CPU time is taken out of ours",
    "around": "theirs has what runs around the task's runQuantum",
    "earlier": "theirs is the process's high-water mark, from earlier quanta",
    "start_up": "theirs is the process's high-water mark, from before the quantum",
    "inherited": "theirs is the high-water mark of the process that started it, which ru_maxrss keeps through execve",
    "unknown": "unknown",
}
"""Reasons, in words."""

# Theirs begins before ours and ends after it, so ours of the same attempt begins within theirs.
OTHER_ATTEMPT = "start < butler_start - INTERVAL 1 SECOND OR start > butler_start + to_microseconds(((butler_wall_s + 1) * 1e6)::BIGINT)"
CASES = {
    "wall": "WHEN ours < theirs THEN 'around'",
    "cpu": "WHEN ours < theirs AND theirs - ours <= overhead_s + bound THEN 'tool' WHEN ours < theirs THEN 'around'",
    "memory": "WHEN ours < theirs AND theirs > process_rss_max_bytes + bound THEN 'inherited' WHEN ours < theirs AND (butler_earlier_quanta > 0 OR unit > 0) THEN 'earlier' "
    "WHEN ours < theirs AND process_rss_max_bytes IS NOT NULL THEN 'start_up'",
}
COLUMNS = {"wall": ("wall_s", "butler_wall_s"), "cpu": ("process_cpu_s", "butler_cpu_s"), "memory": ("rss_max_bytes", "butler_max_rss_bytes")}


class Row(NamedTuple):
    """How one figure compares.

    Parameters
    ----------
    key : `str`
        The task, or what was asked by.
    figure : `str`
        ``"wall"``, ``"cpu"`` or ``"memory"``.
    quanta : `int`
        Quanta with both figures.
    times : `float` or `None`
        Sum of ours over sum of theirs.
    beyond : `int`
        Quanta that differ by more than the bound.
    why : `dict` [`str`, `int`]
        How many of them for which reason: a key of `WHY`; the most frequent first.
    """

    key: Any
    figure: str
    quanta: int
    times: float | None
    beyond: int
    why: dict[str, int]

    def why_text(self) -> str:
        """The reasons in words."""
        return "; ".join(f"{count:,}: {WHY[name]}" for name, count in self.why.items())


def disagreement(campaign: Campaign, quanta: duckdb.DuckDBPyRelation, key: str = "task") -> list[Row]:
    """Compare.

    Parameters
    ----------
    campaign : `Campaign`
        The campaign.
    quanta : `duckdb.DuckDBPyRelation`
        Rows of its quanta: the last attempts.
    key : `str`, optional
        SQL of what to group by.

    Returns
    -------
    rows : `list` [`Row`]
        By key and figure, in the order of keys; none without figures of the middleware.
    """
    if not campaign.has_middleware:
        return []
    judged = []
    for figure, (ours, theirs) in COLUMNS.items():
        most, share = BOUNDS[figure]
        judged.append(f"""SELECT key, '{figure}' AS figure, ours, theirs, CASE WHEN abs(ours - theirs) <= bound THEN NULL WHEN {OTHER_ATTEMPT} THEN 'attempt'
            WHEN status = 'unfinished' THEN 'unfinished' {CASES[figure]} ELSE 'unknown' END AS why
            FROM (SELECT *, {ours} AS ours, {theirs} AS theirs, {most} + {share} * {theirs} AS bound FROM of_both) WHERE ours IS NOT NULL AND theirs IS NOT NULL""")  # fmt: skip
    sums = quanta.query("q", f"""
        WITH tools AS (SELECT trace, overhead_s FROM processes), of_both AS (SELECT {key} AS key, * FROM (SELECT * FROM q WHERE has_trace) LEFT JOIN tools USING (trace)),
        judged AS ({' UNION ALL '.join(judged)})
        SELECT key, figure, why, count(*), sum(ours)::DOUBLE, sum(theirs)::DOUBLE FROM judged GROUP BY ALL ORDER BY key, figure, count(*) DESC, why""").fetchall()  # fmt: skip
    found: dict[tuple[Any, str], list[Any]] = {}
    for name, figure, why, count, ours, theirs in sums:
        row = found.setdefault((name, figure), [0, 0.0, 0.0, {}])
        row[0], row[1], row[2] = row[0] + count, row[1] + ours, row[2] + theirs
        if why:
            row[3][why] = count
    order = list(COLUMNS)
    rows = [Row(name, figure, count, ours / theirs if theirs else None, sum(why.values()), why) for (name, figure), (count, ours, theirs, why) in found.items()]
    return sorted(rows, key=lambda row: (row.key is None, str(row.key), order.index(row.figure)))
