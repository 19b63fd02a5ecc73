"""All that the page of a campaign shows, as one document: `summary`. Its size does not depend on that of the campaign."""

import datetime
import math
import os
from collections.abc import Callable
from typing import Any

import duckdb

from rubinprof.campaign import disagreement, requests, views
from rubinprof.campaign.distribution import EMPTY, Distribution
from rubinprof.campaign.findings import findings
from rubinprof.campaign.query import OVER_BYTES, Campaign
from rubinprof.campaign.reading import Distributions, Series, read
from rubinprof.errors import RubinprofError

__all__ = ["summary"]

TASKS_MOST = 400
OUTLIERS_MOST = 400
HOSTS_MOST = 1000
FUNCTIONS_MOST = 400
TIME_BINS = 120
BIN_WIDTH = 0.05
"""Of the histograms, in the logarithm."""
STEPS = 9
IS_LAST, NO_TRACE, FIRST, LAST = 2, 14, 15, 16
"""Places in a row of `_sums`."""
ENDED_WELL = ("done", "no_work", None)  # None: nobody knows


def summary(
    campaign: Campaign, *, over_bytes: float = OVER_BYTES, stages: dict[str, str] | None = None, present_bytes: float = 4 * 1024**3, progress: Callable[[int, int], object] | None = None
) -> dict[str, Any]:
    """Make the document.

    Parameters
    ----------
    campaign : `Campaign`
        The campaign.
    over_bytes : `float`, optional
        Memory above which a quantum counts as large, bytes.
    stages : `dict` [`str`, `str`], optional
        Stage of each task.
    present_bytes : `float`, optional
        What every task asks for now: what requests are compared with.
    progress : `~collections.abc.Callable`, optional
        Called with steps done and steps to do.

    Returns
    -------
    document : `dict`
        What `rubinprof.reports.campaign_page` takes. Unknown figures are None.
    """
    done = 0

    def step(found):
        nonlocal done
        done += 1
        if progress:
            progress(done, STEPS)
        return found

    quanta = campaign.last_attempts()
    sums = step(_sums(campaign, over_bytes))
    of, time = step(_by_task(quanta, sums))
    tasks = _tasks(sums, of, stages or {})
    compared, _ = views.alike(campaign, quanta)
    of_compared = of if compared is quanta else step(views.distributions(compared))
    limits = views.outlier_limits(of_compared)
    found = {
        "schema": 1, "store": "/".join(os.path.realpath(campaign.store.text).split("/")[-2:]), "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "over_bytes": over_bytes, "bin_width": BIN_WIDTH,
        "tasks": tasks, "stages": _stages(tasks, stages),
        "histograms": {task["task"]: {name: of[name].get(task["task"], EMPTY).coarse(BIN_WIDTH) for name in of} for task in tasks},
        "outliers": step(_dicts(views.OUTLIER_COLUMNS, views.farthest(campaign, compared, limits, OUTLIERS_MOST))),
        "hosts": step(views.hosts_of(campaign, compared, of_compared)).dicts(),
    }  # fmt: skip
    samples = step(views.sample(campaign, compared, counts=_ended(sums) if compared is quanta else None))
    found |= {"has_dip_test": views.statistics.has_dip_test(), "modes": _dicts(views.MODES_COLUMNS, views.modes_of(samples)) if views.statistics.has_dip_test() else []}
    drift, found["days_sampled"] = views.drift_of(samples)
    found["drift"] = step(_dicts(views.DRIFT_COLUMNS, drift))
    found["time"] = time
    found |= step(_requests(campaign, present_bytes))
    found |= step(_inside(campaign))
    found["totals"] = step(_totals(campaign, tasks))
    found["exact_if"] = [
        {"condition": row[0], "quanta": row[1], "wall_s": row[2]}
        for row in campaign.sql("SELECT exact_if, count(*), sum(wall_s) FROM stored WHERE exact_if IS NOT NULL GROUP BY exact_if ORDER BY 2 DESC, 1").fetchall()]  # fmt: skip
    found["tracer"], found["refused"] = views.tracer(campaign, views.Question()).dicts(), campaign.store.refused()[:200]
    found["disagreement"] = [
        {"task": "?" if row.key is None else row.key, "figure": row.figure, "quanta": row.quanta, "times": row.times, "beyond": row.beyond, "why": row.why_text()}
        for row in disagreement.disagreement(campaign, quanta)]  # fmt: skip
    found["disagreement_bounds"] = disagreement.BOUNDS_TEXT
    found["findings"] = findings(found)
    found["hosts"] = _extremes(found["hosts"])
    return found


def _dicts(columns, rows):
    return views.View(columns, rows, []).dicts()


def _sums(campaign: Campaign, over: float) -> list[tuple[Any, ...]]:
    """One row for each task, status and whether it is the last attempt."""
    return campaign.sql(f"""SELECT task, status, is_last, count(*), sum(wall_s), sum(process_cpu_s), sum(gil_wait_s), count(*) FILTER (has_trace) - count(gil_wait_s), count(memory_bytes), count(*) FILTER (memory_bytes > {over}),
        coalesce(sum(wall_s) FILTER (memory_bytes > {over}), 0), max(wall_s), max(memory_bytes), count(*) FILTER (rss_max_bytes IS NULL), count(*) FILTER (NOT has_trace), min(start),
        max(start), max(leaked_bytes) FROM quanta GROUP BY ALL""").fetchall()  # fmt: skip


def _tasks(sums, of: dict[str, dict[Any, Distribution]], stages: dict[str, str]) -> list[dict[str, Any]]:
    """A row a task, the one with most walltime first."""
    rows: dict[Any, dict[str, Any]] = {}
    for task, status, is_last, n, wall, cpu, gil, no_gil, _, over, over_wall, longest, most, no_rss, no_trace, first, last, leaked in sums:
        row = rows.setdefault(task, {
            "task": task, "stage": stages.get(task), "quanta": 0, "not_done": 0, "statuses": {}, "wall_s": None, "cpu_s": None, "gil_wait_s": None, "without_gil_wait": 0, "over": 0, "over_wall_s": 0.0,
            "wall_max_s": None, "memory_max_bytes": None, "leaked_max_bytes": None, "without_rss": 0, "without_trace": 0, "earlier_attempts": 0, "earlier_wall_s": 0.0, "earlier_cpu_s": 0.0, "first": None, "last": None,
        })  # fmt: skip
        if not is_last:
            row["earlier_attempts"] += n
            row["earlier_wall_s"] += wall or 0.0
            row["earlier_cpu_s"] += cpu or 0.0
            continue
        row["quanta"] += n
        row["not_done"] += 0 if status in ENDED_WELL else n
        row["statuses"][status] = row["statuses"].get(status, 0) + n
        for key, value in (("wall_s", wall), ("cpu_s", cpu), ("gil_wait_s", gil), ("without_gil_wait", no_gil), ("over", over), ("over_wall_s", over_wall), ("without_rss", no_rss), ("without_trace", no_trace)):
            row[key] = value if row[key] is None else row[key] + (value or 0)
        for key, value, better in (("wall_max_s", longest, max), ("memory_max_bytes", most, max), ("leaked_max_bytes", leaked, max), ("first", first, min), ("last", last, max)):
            row[key] = better((x for x in (row[key], value) if x is not None), default=None)
    for task, row in rows.items():
        for name, unit in (("wall", "s"), ("cpu", "s"), ("memory", "bytes")):
            one = of[name].get(task, EMPTY)
            low, high = one.median_interval() if one.n else (math.nan, math.nan)
            figures = {"p50": one.quantile(0.5), "p50_low": low, "p50_high": high, "p95": one.quantile(0.95), "p99": one.quantile(0.99)} if one.n else dict.fromkeys(("p50", "p50_low", "p50_high", "p95", "p99"))
            row |= {f"{name}_{key}_{unit}": None if value is None or math.isnan(value) else value for key, value in figures.items()}
        row["task"] = "?" if task is None else task
        if row["without_gil_wait"]:  # the sum of those that are known would pass for that of all
            row["gil_wait_s"] = None
        for key in ("first", "last"):
            row[key] = row[key].timestamp() if row[key] else None
    return sorted(rows.values(), key=lambda row: (-(row["wall_s"] or 0), row["task"]))[:TASKS_MOST]


def _stages(tasks, stages):
    rows: dict[str, dict[str, Any]] = {}
    for task in tasks:
        row = rows.setdefault(task["stage"] or ("[no stage]" if stages else "[all]"), {"quanta": 0, "over": 0, "wall_s": 0.0, "over_wall_s": 0.0, "cpu_s": 0.0, "not_done": 0})
        for key in row:
            row[key] += task[key] or 0
    order = list(dict.fromkeys((stages or {}).values()))
    return [{"stage": name, **rows[name]} for name in sorted(rows, key=lambda name: order.index(name) if name in order else len(order))]


def _ended(sums) -> list[tuple[str, int, Any]] | None:
    """Quanta of each task that ended well, last attempts, and when the first began, as `views.sample` takes them; None where some have no trace."""
    found: dict[str, tuple[str, int, Any]] = {}
    for row in sums:
        task, status, is_last, n = row[:4]
        if is_last and task is not None and status in ("done", "no_work"):
            if row[NO_TRACE]:
                return None
            _, before, first = found.get(task, (task, 0, None))
            found[task] = (task, before + n, min((at for at in (first, row[FIRST]) if at is not None), default=None))
    return list(found.values())


def _by_task(quanta: duckdb.DuckDBPyRelation, sums) -> tuple[dict[str, dict[Any, Distribution]], dict[str, Any]]:
    """The distributions of `views.FIGURES`, and sums by stretch of time: when quanta began."""
    of = {name: Distributions(name, column) for name, column in views.FIGURES.items()}
    known = [(row[FIRST].timestamp(), row[LAST].timestamp()) for row in sums if row[IS_LAST] and row[FIRST] is not None]
    if not known:
        tasks = read(quanta, "task", list(of.values()))
        return {name: one.of(tasks) for name, one in of.items()}, {"begin": None, "bin_s": None, "tasks": {}}
    begin, end = min(first for first, _ in known), max(last for _, last in known)
    width = max((end - begin) / TIME_BINS, 1e-3)
    series = Series(begin, width, TIME_BINS)
    tasks = read(quanta, "task", [*of.values(), series])
    rounded = {"?" if task is None else task: [[round(x, 3) if isinstance(x, float) else x for x in row] for row in rows] for task, rows in series.of(tasks).items()}
    return {name: one.of(tasks) for name, one in of.items()}, {"begin": begin, "bin_s": width, "bins": TIME_BINS, "tasks": rounded}


def _requests(campaign: Campaign, present_bytes: float) -> dict[str, Any]:
    try:
        advice = requests.advise(campaign, present_bytes=present_bytes)
    except RubinprofError as error:
        return {"requests": [], "requests_yaml": "", "requests_why_not": str(error), "present_bytes": present_bytes}
    rows = [{key: value for key, value in one._asdict().items() if key != "replay"} | {"request": one.request and one.request._asdict()} for one in advice]
    return {"requests": rows, "requests_yaml": requests.to_yaml(advice), "requests_why_not": "", "present_bytes": present_bytes}


def _inside(campaign: Campaign) -> dict[str, Any]:
    """Functions and libraries of the processes, and how their time splits."""
    names = ["function", "file", "line", "module", "kind", "self_cpu_s", "self_cpu_s_error", "share", "calls", "allocations", "allocated_bytes", "allocated_bytes_error", "processes"]
    functions = [row for row in campaign.table("function", n=FUNCTIONS_MOST).select(", ".join(names)).fetchall()]
    libraries = campaign.table("library", n=100).select("module, kind, self_cpu_s, self_cpu_s_error, share, allocated_bytes").fetchall()
    split = dict(campaign.sql("SELECT kind, sum(self_cpu_s) FROM functions GROUP BY kind").fetchall())
    ((system,),) = campaign.sql("SELECT sum(system_s) FROM metadata").fetchall()
    return {"functions": _dicts(names, functions), "libraries": _dicts(["module", "kind", "self_cpu_s", "self_cpu_s_error", "share", "allocated_bytes"], libraries),
            "split": {"python": split.get("python"), "native": split.get("native"), "system": system}}  # fmt: skip


def _totals(campaign: Campaign, tasks) -> dict[str, Any]:
    def total(key):
        known = [task[key] for task in tasks if task[key] is not None]
        return sum(known) if known else None

    found = {key: total(key) for key in ("quanta", "not_done", "wall_s", "cpu_s", "gil_wait_s", "over", "over_wall_s", "without_rss", "without_trace", "earlier_attempts", "earlier_wall_s", "earlier_cpu_s")}
    if any(task["without_gil_wait"] for task in tasks):
        found["gil_wait_s"] = None
    found["first"], found["last"] = (better((task[key] for task in tasks if task[key] is not None), default=None) for key, better in (("first", min), ("last", max)))
    found["start_up_wall_s"], found["start_up_cpu_s"], found["processes"] = views.start_up(campaign)
    of_processes = campaign.totals()
    return found | {key: of_processes[key] for key in ("overhead_s", "lost_events", "not_complete", "file_bytes")} | {"process_cpu_s": of_processes["cpu_s"], "pythons": [
        row[0] for row in campaign.sql("SELECT DISTINCT python FROM processes WHERE python IS NOT NULL ORDER BY 1").fetchall()]}  # fmt: skip


def _extremes(hosts):
    """All hosts, or those that differ most."""
    far = sorted(hosts, key=lambda row: -abs(math.log(row["wall_times"])) if row["wall_times"] else 1.0)
    return sorted(far[:HOSTS_MOST], key=lambda row: -(row["wall_times"] or 0))
