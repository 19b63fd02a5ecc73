"""The tables that people ask of a campaign, by name: `VIEWS`. docs/guide/campaign.md says how each figure is made."""

import datetime
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import duckdb
import numpy as np

from rubinprof.campaign import disagreement, statistics
from rubinprof.campaign.distribution import EMPTY, NORMAL_975, Distribution, by_key
from rubinprof.campaign.query import GIL_WAIT, NOT_DONE, Campaign
from rubinprof.campaign.reading import Distributions, read
from rubinprof.campaign.usage import IS_MEASURED, summary_columns

__all__ = ["VIEWS", "Question", "View", "sample", "view"]

START_UP = "[start-up]"
GIB = 1024**3
FIGURES = {"wall": "wall_s", "cpu": "process_cpu_s", "memory": "memory_bytes"}
OUTLIER_SIGMAS = 5.0
OUTLIER_TIMES = 1.5
OUTLIER_QUANTA = 20
HOST_QUANTA = 20
HOST_TIMES_MOST = 3.0
SAMPLE_QUANTA = 2000
DRIFT_QUANTA = 600
"""The slopes of all pairs are looked at: of 2,000 quanta that is two million."""
FALSE_ALARMS = 0.01


class Question(NamedTuple):
    """What is asked.

    Parameters
    ----------
    by : `str`, optional
        What to group by, as `Campaign.table` takes it; "stage" with ``stages``.
    where : `str`, optional
        A condition on quanta.
    over_bytes : `float`, optional
        Memory above which a quantum counts as large.
    stages : `dict` [`str`, `str`], optional
        Stage of each task.
    """

    by: str = "task"
    where: str | None = None
    over_bytes: float | None = None
    stages: dict[str, str] | None = None


class View(NamedTuple):
    """An answer: names of columns, rows, and sentences that belong to them. Nan and None mean unknown."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    notes: list[str]

    def dicts(self) -> list[dict[str, Any]]:
        """Rows by the names of the columns; unknown is None."""
        return [{name: None if isinstance(value, float) and math.isnan(value) else value for name, value in zip(self.columns, row, strict=True)} for row in self.rows]


def view(name: str, campaign: Campaign, question: Question = Question(), n: int | None = None) -> View:  # noqa: B008 (immutable)
    """Answer one of `VIEWS`.

    Parameters
    ----------
    name : `str`
        Key of `VIEWS`.
    campaign : `Campaign`
        The campaign.
    question : `Question`, optional
        What is asked.
    n : `int`, optional
        Rows at most.

    Raises
    ------
    ValueError
        Raised when there is no such view, grouping or condition.
    """
    if name not in VIEWS:
        raise ValueError(f"there is no view {name!r}; choose {', '.join(VIEWS)}")
    if question.by == "stage" and name != "large":
        raise ValueError("only the view 'large' is by stage")
    found = VIEWS[name](campaign, question)
    return found._replace(rows=found.rows[:n])


def counted(campaign: Campaign, question: Question) -> duckdb.DuckDBPyRelation:
    """The last attempts at the quanta that are asked of."""
    return campaign.last_attempts(question.where)


def alike(campaign: Campaign, quanta: duckdb.DuckDBPyRelation) -> tuple[duckdb.DuckDBPyRelation, list[str]]:
    """Quanta to compare with one another, and a note of what was left out: those that were traced exact on request, which takes longer, where others of their task were not."""
    if not campaign.sql("SELECT 1 FROM stored WHERE exact_if IS NOT NULL LIMIT 1").fetchall():
        return quanta, []
    counts = campaign.sql("SELECT task, count(*) FILTER (exact_if IS NULL), count(exact_if) FROM stored GROUP BY task").fetchall()
    mixed = [(task, chosen) for task, others, chosen in counts if others and chosen]
    if not mixed:
        return quanta, []
    campaign.put("mixed_tasks", {"task VARCHAR": [task for task, _ in mixed]})
    note = f"Quanta that were traced exact on request ({sum(chosen for _, chosen in mixed):,}) are not compared with the others: that takes longer."
    return quanta.filter("exact_if IS NULL OR task NOT IN (SELECT task FROM mixed_tasks WHERE task IS NOT NULL)"), [note]


def time(campaign: Campaign, question: Question) -> View:
    """Elapsed and CPU time, with start-up and imports."""
    key = campaign.key(question.by)
    quanta = counted(campaign, question)
    sums = quanta.query("q", f"SELECT {key} AS key, count(*), {NOT_DONE}, sum(wall_s), sum(process_cpu_s), {GIL_WAIT}, max(wall_s) FROM q GROUP BY key ORDER BY 4 DESC NULLS LAST, 1")
    walls = by_key(quanta, key, "wall_s")
    rows = []
    for name, count, not_done, wall, cpu, gil, longest in sums.fetchall():
        of = walls.get(name, EMPTY)
        rows.append((name, count, not_done, wall, cpu, _ratio(cpu, wall), gil, of.quantile(0.5), *of.median_interval(), of.quantile(0.95), of.quantile(0.99), longest))
    notes = []
    if not question.where:
        wall, cpu, processes = start_up(campaign)
        rows.append((START_UP, None, None, wall, cpu, _ratio(cpu, wall), None, _ratio(wall, processes), *[None] * 5))
        notes.append("Start-up and imports: what processes did outside of quanta; its median is a mean over processes.")
    columns = [question.by, "quanta", "not_done", "wall_s", "cpu_s", "cpu_efficiency", "gil_wait_s"]
    return View([*columns, "wall_p50_s", "wall_p50_low_s", "wall_p50_high_s", "wall_p95_s", "wall_p99_s", "wall_max_s"], rows, notes)


def distributions(quanta: duckdb.DuckDBPyRelation, names: Iterable[str] = FIGURES) -> dict[str, dict[Any, Distribution]]:
    """Those of some of `FIGURES` by task."""
    of = {name: Distributions(name, FIGURES[name]) for name in names}
    tasks = read(quanta, "task", list(of.values()))
    return {name: one.of(tasks) for name, one in of.items()}


def start_up(campaign: Campaign) -> tuple[float | None, float | None, int]:
    """Wall and CPU time of processes outside of their quanta, and how many processes; time of quanta that overlap is unknown."""
    ((wall, cpu, processes),) = campaign.sql("""
        WITH inside AS (SELECT trace, sum(wall_s) AS wall_s FROM quanta WHERE trace IS NOT NULL GROUP BY trace)
        SELECT sum(processes.wall_s - inside.wall_s) FILTER (inside.wall_s <= processes.wall_s), sum(greatest(cpu_s - quanta_cpu_s, 0)), count(*)
        FROM processes LEFT JOIN inside USING (trace)""").fetchall()
    return wall, cpu, processes


def memory(campaign: Campaign, question: Question) -> View:
    """Memory of what has a large quantum."""
    key, over = campaign.key(question.by), question.over_bytes or 4 * GIB
    quanta = counted(campaign, question)
    sums = quanta.query("q", f"""SELECT {key} AS key, count(memory_bytes), count(*) FILTER (memory_bytes > {over}), max(memory_bytes) AS most, count(*) FILTER (rss_max_bytes IS NULL)
        FROM q GROUP BY key ORDER BY most DESC NULLS LAST, 1""").fetchall()  # fmt: skip
    sizes = by_key(quanta, key, "memory_bytes")
    rows = []
    for name, count, large, most, _ in sums:
        if large:
            of = sizes[name]
            rows.append((name, count, large, large / count, of.quantile(0.5), *of.median_interval(), of.quantile(0.95), of.quantile(0.99), most))
    notes = [f"{len(sums) - len(rows)} more have no quantum above {over / GIB:g} GB."] if len(sums) > len(rows) else []
    if any(row[-1] for row in sums):
        notes.append("Some traces have no resident memory: there memory is the middleware's high-water mark, else the heap since tracing began.")
    columns = [question.by, "quanta", "over", "over_share", "memory_p50_bytes", "memory_p50_low_bytes", "memory_p50_high_bytes"]
    return View([*columns, "memory_p95_bytes", "memory_p99_bytes", "memory_max_bytes"], rows, notes)


def large(campaign: Campaign, question: Question) -> View:
    """Quanta above a limit, and their share of the walltime; the last row is the whole."""
    over = question.over_bytes or 6 * GIB
    key = campaign.key("task" if question.by == "stage" else question.by)
    sums = counted(campaign, question).query("q", f"""SELECT {key} AS key, count(*), count(*) FILTER (memory_bytes > {over}), coalesce(sum(wall_s), 0),
        coalesce(sum(wall_s) FILTER (memory_bytes > {over}), 0), count(memory_bytes) FROM q GROUP BY key""").fetchall()  # fmt: skip
    found: dict[Any, list[float]] = {}
    for name, *figures in sums:
        stage = (question.stages or {}).get(name, "[no stage]") if question.by == "stage" else name
        found[stage] = [a + b for a, b in zip(found.get(stage, [0] * len(figures)), figures, strict=True)]
    order = list(dict.fromkeys((question.stages or {}).values())) if question.by == "stage" else []
    names = sorted(found, key=lambda name: (order.index(name) if name in order else len(order), -found[name][3], -found[name][2], str(name)))
    if len(names) > 1:
        found["[all]"] = [sum(column) for column in zip(*found.values(), strict=True)]
        names.append("[all]")
    rows = [(name, n, above, _ratio(above, n), wall, above_wall, _ratio(above_wall, wall)) for name in names for n, above, wall, above_wall, _ in [found[name]]]
    unknown = sum(figures[0] - figures[4] for figures in found.values()) // (2 if "[all]" in found else 1)
    notes = [f"Of {unknown:,} quanta nobody knows the memory."] if unknown else []
    return View([question.by, "quanta", "over", "over_share", "wall_s", "over_wall_s", "over_wall_share"], rows, notes)


def hosts(campaign: Campaign, question: Question) -> View:
    """How much longer the same tasks take on each host than elsewhere."""
    quanta, notes = alike(campaign, counted(campaign, question))
    found = hosts_of(campaign, quanta, distributions(quanta, ("wall", "cpu")), question.by)
    return found._replace(notes=found.notes + notes)


def hosts_of(campaign: Campaign, quanta: duckdb.DuckDBPyRelation, of_task: dict[str, dict[Any, Distribution]], by: str = "task") -> View:
    """`hosts`, with the distributions of wall and CPU time by task."""
    of_task, by = {name: of_task[name] for name in ("wall", "cpu")}, "host" if by == "task" else by
    key = campaign.key(by)
    middles = [(task, *(math.log(of_task[name][task].quantile(0.5)) if _has_median(of_task[name].get(task)) else None for name in of_task)) for task in of_task["wall"]]
    campaign.put("middles", {"task VARCHAR": [row[0] for row in middles], "wall_middle DOUBLE": [row[1] for row in middles], "cpu_middle DOUBLE": [row[2] for row in middles]})
    most = math.log(HOST_TIMES_MOST)
    held = "greatest(-{most}, least({most}, ln({column}) - {name}_middle))"
    logs = ", ".join(f"CASE WHEN {FIGURES[name]} > 0 THEN {held.format(most=most, column=FIGURES[name], name=name)} END AS {name}" for name in of_task)
    sums = quanta.query("q", f"""SELECT key, count(*), {NOT_DONE}, count(wall), avg(wall), stddev_samp(wall), count(cpu), avg(cpu), stddev_samp(cpu)
        FROM (SELECT {key} AS key, status, {logs} FROM q JOIN middles USING (task)) GROUP BY key""").fetchall()  # fmt: skip
    whole = [_mean([row[place] for row in sums], [row[place - 1] for row in sums]) for place in (4, 7)]
    rows, chances = [], []
    for key_value, count, not_done, *figures in sums:
        row, chance = [key_value, count, not_done], 1.0
        for (n, mean, spread), middle in zip((figures[:3], figures[3:]), whole, strict=True):
            if not n or n < HOST_QUANTA or spread is None:
                row += [math.nan] * 3
                continue
            half = NORMAL_975 * spread / math.sqrt(n)
            row += [math.exp(mean - middle), math.exp(mean - middle - half), math.exp(mean - middle + half)]
            chance = min(chance, math.erfc(abs(mean - middle) / (spread / math.sqrt(n)) / math.sqrt(2)) if spread else float(mean == middle))
        rows.append(row)
        chances.append(chance)
    rows = [(*row, p < FALSE_ALARMS) for row, p in zip(rows, statistics.adjusted(chances), strict=True)]
    rows.sort(key=lambda row: (-(row[3] if row[3] == row[3] else 0), str(row[0])))
    few = sum(1 for row in sums if row[3] < HOST_QUANTA)
    notes = [f"{few} with fewer than {HOST_QUANTA} quanta have no effect shown."] if few else []
    return View([by, "quanta", "not_done", "wall_times", "wall_times_low", "wall_times_high",
                 "cpu_times", "cpu_times_low", "cpu_times_high", "is_certain"], rows, notes)  # fmt: skip


def outliers(campaign: Campaign, question: Question) -> View:
    """Quanta far from the median of their task, the farthest first."""
    quanta, notes = alike(campaign, counted(campaign, question))
    limits = outlier_limits(distributions(quanta))
    return View(OUTLIER_COLUMNS, farthest(campaign, quanta, limits, OUTLIERS_MOST), notes)


OUTLIERS_MOST = 10_000
OUTLIER_COLUMNS = ["task", "figure", "value", "median", "times", "sigmas", "data_id", "host", "status", "start", "trace", "unit"]


def outlier_limits(distributions: dict[str, dict[Any, Distribution]]) -> list[tuple[str, str, float, float]]:
    """(figure, task, median and robust standard deviation of the logarithm), for tasks with enough quanta."""
    found = []
    for name, of_task in distributions.items():
        for task, of in of_task.items():
            middle, sigma = of.robust_log()
            if task is not None and of.n >= OUTLIER_QUANTA and not math.isnan(middle):
                found.append((name, task, middle, max(sigma, math.log(OUTLIER_TIMES) / OUTLIER_SIGMAS)))
    return found


def farthest(campaign: Campaign, quanta: duckdb.DuckDBPyRelation, limits: Sequence[tuple[str, str, float, float]], n: int) -> list[tuple[Any, ...]]:
    """The outliers among quanta, farthest first: one row for each figure that is far."""
    names = list(FIGURES)
    about: dict[str, dict[str, tuple[float, float]]] = {}
    for name, task, middle, sigma in limits:
        about.setdefault(task, {})[name] = (middle, sigma)
    if not about:
        return []
    columns: dict[str, list[Any]] = {"task VARCHAR": list(about)}
    for name in names:
        known = [of.get(name, (math.nan, math.nan)) for of in about.values()]
        columns[f"{name}_low DOUBLE"] = [math.exp(middle - OUTLIER_SIGMAS * sigma) if middle == middle else 0.0 for middle, sigma in known]
        columns[f"{name}_high DOUBLE"] = [math.exp(middle + OUTLIER_SIGMAS * sigma) if middle == middle else math.inf for middle, sigma in known]
        columns |= {f"{name}_middle DOUBLE": [middle for middle, _ in known], f"{name}_sigma DOUBLE": [sigma for _, sigma in known]}
    campaign.put("limits", columns)
    is_far = " OR ".join(f"({column} > 0 AND {column} NOT BETWEEN {name}_low AND {name}_high)" for name, column in FIGURES.items())
    away = ", ".join(f"CASE WHEN {column} > 0 THEN coalesce(abs(ln({column}) - {name}_middle) / {name}_sigma, 0) ELSE 0 END" for name, column in FIGURES.items())
    far = quanta.query("q", f"""SELECT q.task AS task, trace, unit, start, {', '.join(FIGURES.values())}, greatest({away}) AS away
        FROM q JOIN limits ON q.task = limits.task WHERE trace IS NOT NULL AND ({is_far}) ORDER BY away DESC, trace, unit LIMIT {n}""").fetchall()  # fmt: skip
    found = []
    for task, trace, unit, start, *values in (row[:-1] for row in far):
        for name, value in zip(names, values, strict=True):
            if value and name in about[task]:
                middle, sigma = about[task][name]
                if abs(math.log(value) - middle) > OUTLIER_SIGMAS * sigma:
                    found.append(((math.log(value) - middle) / sigma, name, value, math.exp(middle), task, trace, unit, start))
    found = sorted(found, key=lambda row: (-abs(row[0]), row[5], row[6], row[1]))[:n]
    # What else there is to know of them is read for these alone.
    campaign.put("far_ones", {"trace VARCHAR": [row[5] for row in found], "unit INTEGER": [row[6] for row in found]})
    sql = "SELECT DISTINCT trace, unit, data_id, host, status FROM traced SEMI JOIN far_ones USING (trace, unit) WHERE trace IN (SELECT trace FROM far_ones)"
    others = {(trace, unit): rest for trace, unit, *rest in campaign.sql(sql).fetchall()} if found else {}
    rows = []
    for sigmas, figure, value, middle, task, trace, unit, start in found:
        data_id, host, status = others[trace, unit]
        rows.append((task, figure, value, middle, value / middle, sigmas, ", ".join(f"{key}={word}" for key, word in (data_id or {}).items()), host, status, start, trace, unit))
    return rows


def sample(
    campaign: Campaign, quanta: duckdb.DuckDBPyRelation, most: int = SAMPLE_QUANTA, counts: Sequence[tuple[str, int, datetime.datetime | None]] | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """At most so many quanta a task that ended well, drawn by a hash of trace and region: ``days`` since the campaign began, and `FIGURES`. In the order of time.

    ``counts`` may tell what there is to draw from: quanta of each task that ended well and have a trace, and when the first began.
    """
    ended = quanta.filter("status IN ('done', 'no_work') AND trace IS NOT NULL AND task IS NOT NULL")
    if counts is None:
        counts = ended.aggregate("task, count(*) AS n, min(start) AS first", "task").fetchall()
    first = min((row[2] for row in counts if row[2] is not None), default=None)
    campaign.put("shares", {"task VARCHAR": [row[0] for row in counts], "share DOUBLE": [min(1.0, 1.3 * most / row[1] + 50 / row[1]) for row in counts]})
    rows = ended.query("q", f"""SELECT q.task AS task, hash(trace, unit) AS number, epoch(start) AS at, {', '.join(FIGURES.values())}
        FROM q JOIN shares ON q.task = shares.task WHERE hash(trace, unit) <= shares.share * 18446744073709551615.0 ORDER BY task, number""").fetchnumpy()  # fmt: skip
    tasks = np.ma.getdata(rows["task"])
    plain = {name: np.ma.filled(np.ma.asarray(rows[column], float), np.nan) for name, column in FIGURES.items()}
    days = (np.ma.filled(np.ma.asarray(rows["at"], float), np.nan) - (first.timestamp() if first else 0.0)) / 86400
    found = {}
    for task in sorted({row[0] for row in counts}):
        places = np.flatnonzero(tasks == task)[:most]
        places = places[np.argsort(days[places], kind="stable")]
        found[task] = {"days": days[places], **{name: plain[name][places] for name in FIGURES}}
    return found


MODES_COLUMNS = ["task", "figure", "low_mode", "high_mode", "share_low", "dip", "p"]
DRIFT_COLUMNS = ["task", "figure", "a_day", "a_day_low", "a_day_high", "over_all", "p"]


def modes(campaign: Campaign, question: Question) -> View:
    """Tasks with more than one mode, the surest first."""
    if not statistics.has_dip_test():
        return View(MODES_COLUMNS, [], ["Hartigan's dip test needs diptest, which is not installed: pip install diptest"])
    quanta, notes = alike(campaign, counted(campaign, question))
    return View(MODES_COLUMNS, modes_of(sample(campaign, quanta)), notes)


def modes_of(samples: dict[str, dict[str, np.ndarray]]) -> list[tuple[Any, ...]]:
    """Rows of `modes`, of a sample."""
    tests = [(task, name, statistics.modes(of[name][~np.isnan(of[name])])) for task, of in samples.items() for name in FIGURES]
    tests = [test for test in tests if test[2]]
    chances = statistics.adjusted([test.p for _, _, test in tests])
    rows = [(task, name, one.low, one.high, one.share_low, one.dip, p) for (task, name, one), p in zip(tests, chances, strict=True) if p < FALSE_ALARMS and not math.isnan(one.low)]
    return sorted(rows, key=lambda row: (-row[5], row[0], row[1]))


def drift(campaign: Campaign, question: Question) -> View:
    """Tasks that get slower, faster, larger or smaller over the campaign, the most first."""
    quanta, notes = alike(campaign, counted(campaign, question))
    rows, span = drift_of(sample(campaign, quanta))
    return View(DRIFT_COLUMNS, rows, [f"Over {span:.3g} days, of up to {DRIFT_QUANTA} quanta a task.", *notes] if rows else notes)


def drift_of(samples: dict[str, dict[str, np.ndarray]]) -> tuple[list[tuple[Any, ...]], float]:
    """Rows of `drift`, of a sample, and the days it covers."""
    tests = []
    for task, of in samples.items():
        for name in FIGURES:
            known = ~np.isnan(of[name]) & ~np.isnan(of["days"])
            some = np.flatnonzero(known)
            some = some[np.linspace(0, len(some) - 1, min(len(some), DRIFT_QUANTA)).astype(int)] if len(some) else some
            if one := statistics.slope(of["days"][some], of[name][some]):
                tests.append((task, name, one, float(np.nanmax(of["days"]) - np.nanmin(of["days"]))))
    chances = statistics.adjusted([test.p for _, _, test, _ in tests])
    rows = [(task, name, one.a_day, one.low, one.high, math.expm1(math.log1p(one.a_day) * span), p)
            for (task, name, one, span), p in zip(tests, chances, strict=True) if p < FALSE_ALARMS and one.low * one.high > 0]  # fmt: skip
    return sorted(rows, key=lambda row: (-abs(row[5]), row[0], row[1])), max((test[3] for test in tests), default=0.0)


def tracer(campaign: Campaign, question: Question) -> View:
    """What rubinprof itself cost and lost, by its modes."""
    rows = campaign.sql("""
        SELECT mode_cpu, mode_memory, count(*), sum(quanta)::BIGINT, sum(overhead_s), sum(overhead_s) / nullif(sum(cpu_s), 0), median(overhead_s / nullif(cpu_s, 0)),
            quantile_cont(overhead_s / nullif(cpu_s, 0), 0.99), sum(file_bytes)::BIGINT, sum(file_bytes) / nullif(sum(quanta), 0), sum(lost_events)::BIGINT, count(*) FILTER (NOT complete)
        FROM processes GROUP BY ALL ORDER BY 5 DESC NULLS LAST, 1, 2""").fetchall()
    columns = ["mode_cpu", "mode_memory", "processes", "quanta", "overhead_s", "overhead_share", "overhead_share_p50", "overhead_share_p99", "file_bytes", "quantum_bytes"]
    return View([*columns, "lost_events", "not_complete"], rows, [])


def disagreements(campaign: Campaign, question: Question) -> View:
    """Where our figures and the middleware's differ by more than a bound, and why."""
    rows = disagreement.disagreement(campaign, counted(campaign, question), campaign.key(question.by))
    columns = [question.by, "figure", "quanta", "ours_over_theirs", "beyond", "beyond_share", "why"]
    told = [(row.key, row.figure, row.quanta, row.times, row.beyond, _ratio(row.beyond, row.quanta), row.why_text()) for row in rows]
    return View(columns, told, [disagreement.BOUNDS_TEXT] if told else ["No quantum has both our figures and the middleware's: 'rubinprof campaign metadata' adds theirs."])


def usage(campaign: Campaign, question: Question) -> View:
    """The columns of analysis_tools' ResourceUsageSummary, under its names."""
    columns = summary_columns()
    figures = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    rows = counted(campaign, question).query("q", f"SELECT {campaign.key(question.by)} AS key, {figures} FROM q WHERE {IS_MEASURED} GROUP BY key ORDER BY integrated_runtime_hrs DESC NULLS LAST, key")
    return View([question.by, *columns], rows.fetchall(), [])


VIEWS: dict[str, Callable[[Campaign, Question], View]] = {
    "time": time, "memory": memory, "large": large, "hosts": hosts, "outliers": outliers, "modes": modes, "drift": drift, "tracer": tracer, "disagreement": disagreements, "usage": usage,
}  # fmt: skip


def _has_median(of: Distribution | None) -> bool:
    return of is not None and of.n > 0 and of.quantile(0.5) > 0


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _mean(values: list[float | None], weights: list[int]) -> float:
    pairs = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    return sum(value * weight for value, weight in pairs) / max(1, sum(weight for _, weight in pairs))
