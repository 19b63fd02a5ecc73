"""The tables of the people: known answers."""

import datetime
import json
import math
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rubinprof import campaign
from rubinprof.campaign import disagreement, distribution, stages, statistics, usage, views
from rubinprof.campaign.schema import TABLES
from rubinprof.campaign.summary import summary

pytestmark = pytest.mark.linux

GIB = 1024**3
BEGIN = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)


def log_normal(n, middle, spread, seed=1):
    chance = random.Random(seed)
    return [middle * math.exp(spread * chance.gauss(0, 1)) for _ in range(n)]


def rows_of(path, name, **question):
    return views.view(name, campaign.open(path), views.Question(**question)).dicts()


def test_a_distribution_gives_quantiles_to_a_tenth_of_a_percent(make_store):
    walls = log_normal(999, 10.0, 0.7)
    found = campaign.open(make_store([{"task": "isr", "wall_s": wall} for wall in walls] + [{"task": "isr", "wall_s": 0.0}, {"task": "isr"}]))
    of = distribution.by_key(found.quanta(), "task", "wall_s")["isr"]
    assert of.n == 1000
    for share in (0.0, 0.05, 0.5, 0.99, 1.0):
        assert of.quantile(share) == pytest.approx(np.quantile([0.0, *walls], share, method="nearest"), rel=1e-3)
    middle, sigma = of.robust_log()
    assert middle == pytest.approx(math.log(np.median(walls)), abs=1e-3) and sigma == pytest.approx(0.7, abs=0.07)


def test_the_interval_of_a_median_holds_it_as_often_as_it_says():
    held = 0
    for seed in range(200):
        bins, counts = np.unique(np.round(np.log(log_normal(60, 10.0, 1.0, seed)) / distribution.STEP).astype(int), return_counts=True)
        low, high = distribution.Distribution(bins, counts).median_interval()
        held += low <= 10.0 <= high
    assert 0.92 <= held / 200 <= 0.99


def test_time_has_start_up_as_a_row_of_its_own(make_store):
    quanta = [{"trace": "a" * 32, "unit": i, "task": "isr", "wall_s": 10.0, "process_cpu_s": 5.0} for i in range(3)] + [{"trace": "b" * 32, "task": "warp", "wall_s": 40.0, "process_cpu_s": 40.0}]
    processes = [
        {"trace": "a" * 32, "quanta": 3, "wall_s": 36.0, "cpu_s": 19.0, "quanta_cpu_s": 15.0},
        {"trace": "b" * 32, "quanta": 1, "wall_s": 44.0, "cpu_s": 43.0, "quanta_cpu_s": 40.0},
    ]
    warp, isr, start = rows_of(make_store(quanta, processes), "time")
    assert (isr["quanta"], isr["wall_s"], isr["cpu_s"], isr["cpu_efficiency"]) == (3, 30.0, 15.0, 0.5)
    assert (warp["task"], warp["wall_p50_s"]) == ("warp", pytest.approx(40.0, rel=1e-3))
    assert (start["task"], start["quanta"], start["wall_s"], start["cpu_s"]) == (views.START_UP, None, 10.0, 7.0)


def test_large_quanta_by_stage(make_store, tmp_path):
    quanta = [{"task": "isr", "rss_max_bytes": GIB, "wall_s": 1.0}] * 6 + [{"task": "fit", "rss_max_bytes": 7 * GIB, "wall_s": 50.0}] * 2 + [{"task": "warp", "rss_max_bytes": GIB, "wall_s": 2.0}] * 2
    path = make_store(quanta)
    (tmp_path / "stages.toml").write_text('step1 = ["isr", "fit"]\n')
    (tmp_path / "pipeline.yaml").write_text("subsets:\n  step1:\n    subset: [isr, fit]\n")
    assert stages.read(tmp_path / "stages.toml") == stages.read(tmp_path / "pipeline.yaml") == {"isr": "step1", "fit": "step1"}
    step, none, whole = rows_of(path, "large", by="stage", stages=stages.read(tmp_path / "stages.toml"))
    assert (step["stage"], step["quanta"], step["over"], step["wall_s"], step["over_wall_s"]) == ("step1", 8, 2, 106.0, 100.0)
    assert (none["stage"], none["quanta"]) == ("[no stage]", 2)
    assert (whole["stage"], whole["quanta"], whole["over_share"], whole["over_wall_share"]) == ("[all]", 10, 0.2, pytest.approx(100 / 110))
    assert [row["task"] for row in rows_of(path, "memory")] == ["fit"]


def test_a_slow_host_is_told_and_others_are_not(make_store):
    quanta = []
    for task, middle in (("isr", 10.0), ("warp", 300.0)):
        for i, wall in enumerate(log_normal(600, middle, 0.3, len(task))):
            quanta.append({"task": task, "host": f"n{i % 10}", "wall_s": wall * (1.5 if i % 10 == 3 else 1.0), "process_cpu_s": wall})
    rows = {row["host"]: row for row in rows_of(make_store(quanta), "hosts")}
    assert rows["n3"]["wall_times_low"] < 1.5 * 0.96 < rows["n3"]["wall_times_high"]  # the mean of all is 4 % higher for it
    assert rows["n3"]["cpu_times_low"] < 1 < rows["n3"]["cpu_times_high"]
    assert [host for host, row in rows.items() if row["is_certain"]] == ["n3"]


def test_outliers_are_far_from_the_median_of_their_task(make_store):
    quanta = [{"task": "isr", "wall_s": wall} for wall in log_normal(500, 10.0, 0.1)] + [{"task": "warp", "wall_s": 100.0}] * 30
    quanta += [{"task": "isr", "wall_s": 60.0, "data_id": {"visit": "7"}, "host": "n1"}, {"task": "warp", "wall_s": 120.0}]  # 1.2 times is no outlier, whatever the spread
    (row,) = rows_of(make_store(quanta), "outliers")
    assert (row["task"], row["figure"], row["data_id"], row["host"], row["value"]) == ("isr", "wall", "visit=7", "n1", 60.0)
    assert row["times"] == pytest.approx(6.0, rel=0.02) and row["sigmas"] == pytest.approx(math.log(6) / 0.1, rel=0.1)


def test_two_modes_and_a_slow_down_are_found_where_they_are(make_store):
    quanta = []
    for i in range(400):
        start = BEGIN + datetime.timedelta(hours=i)
        one, other = (log_normal(1, 10.0, 0.2, seed)[0] for seed in (i, 1000 + i))
        quanta.append({"task": "plain", "start": start, "wall_s": one})
        quanta.append({"task": "modes", "start": start, "wall_s": one * (5.0 if i % 3 == 0 else 1.0)})
        quanta.append({"task": "slower", "start": start, "wall_s": other * math.exp(0.02 * i / 24)})
    path = make_store(quanta)
    (row,) = rows_of(path, "drift")
    assert row["task"] == "slower" and row["a_day_low"] < math.expm1(0.02) < row["a_day_high"] and row["over_all"] == pytest.approx(math.expm1(0.02 * 399 / 24), rel=0.25)
    pytest.importorskip("diptest")
    (row,) = rows_of(path, "modes")
    assert row["task"] == "modes" and row["low_mode"] == pytest.approx(10, rel=0.1) and row["high_mode"] == pytest.approx(50, rel=0.1)
    assert row["share_low"] == pytest.approx(2 / 3, abs=0.03)


def test_equal_figures_are_one_mode():
    pytest.importorskip("diptest")
    values = np.round(np.array(log_normal(2000, 2000.0, 0.02)))  # MiB, as the system gives them
    assert statistics.modes(values).p > 0.01


def test_the_tracers_own_cost(make_store):
    processes = [{"trace": f"{i:032x}", "quanta": 1, "cpu_s": 10.0, "overhead_s": 0.1, "file_bytes": 1000, "complete": i > 0, "mode_cpu": "sampled", "lost_events": 2} for i in range(4)]
    (row,) = rows_of(make_store([{"task": "isr"}] * 4, processes), "tracer")
    assert (row["processes"], row["overhead_s"], row["overhead_share"], row["quantum_bytes"]) == (4, pytest.approx(0.4), pytest.approx(0.01), 1000)
    assert (row["lost_events"], row["not_complete"]) == (8, 1)


def test_every_view_of_real_traces_is_printed(ask, store):
    for name in views.VIEWS:
        assert json.dumps(views.view(name, campaign.open(store)).dicts(), default=str)
    done = ask("table", store, "--view", "time")
    assert done.returncode == 0 and "isr" in done.stdout and views.START_UP in done.stdout, done.stderr


@pytest.fixture(scope="module")
def large_enough(tmp_path_factory, load_module):
    """A store with hosts, outliers, modes and drift to tell of; which stage each task has; and what the page has of it."""
    synthetic = load_module(Path(__file__).parents[2] / "benchmarks" / "campaign" / "synthetic_store.py")
    path = tmp_path_factory.mktemp("large") / "store"
    synthetic.make(path, 20_000)
    file = path.with_name("store-stages.toml")
    return path, file, summary(campaign.open(path), stages=stages.read(file))


# Table of the page; words of `table` that ask the same; what names a row; columns that both have.
TABLES_OF_PAGE = {
    "tasks": (["--by", "task", "--over", "6 GB"], ["task"], ["quanta", "not_done", "wall_s", "cpu_s", "memory_max_bytes", "leaked_max_bytes", "over", "over_wall_s", "without_rss", "without_trace",
                                                         "earlier_attempts", "earlier_wall_s", "earlier_cpu_s"]),
    "tasks by time": (["--view", "time"], ["task"], ["wall_p50_s", "wall_p50_low_s", "wall_p50_high_s", "wall_p95_s", "wall_p99_s", "wall_max_s", "gil_wait_s"]),
    "tasks by memory": (["--view", "memory"], ["task"], ["memory_p50_bytes", "memory_p50_low_bytes", "memory_p50_high_bytes", "memory_p95_bytes", "memory_p99_bytes", "memory_max_bytes"]),
    "stages": (["--by", "stage"], ["stage"], ["quanta", "over", "wall_s", "over_wall_s"]),
    "hosts": (["--view", "hosts"], ["host"], ["quanta", "not_done", "wall_times", "wall_times_low", "wall_times_high", "cpu_times", "cpu_times_low", "cpu_times_high", "is_certain"]),
    "outliers": (["--view", "outliers"], ["figure", "trace", "unit"], views.OUTLIER_COLUMNS),
    "modes": (["--view", "modes"], ["task", "figure"], views.MODES_COLUMNS),
    "drift": (["--view", "drift"], ["task", "figure"], views.DRIFT_COLUMNS),
    "tracer": (["--view", "tracer"], ["mode_cpu", "mode_memory"], ["processes", "quanta", "overhead_s", "overhead_share", "overhead_share_p50", "file_bytes", "lost_events", "not_complete"]),
    "functions": (["--by", "function"], ["function", "file", "module"], ["self_cpu_s", "self_cpu_s_error", "share", "calls", "allocations", "allocated_bytes", "allocated_bytes_error", "processes"]),
    "libraries": (["--by", "library"], ["module", "kind"], ["self_cpu_s", "self_cpu_s_error", "share", "allocated_bytes"]),
    "requests": (None, ["task"], ["quanta", "retry_rate", "saving", "request"]),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES_OF_PAGE)
def test_a_table_of_the_page_has_the_figures_of_the_command(ask, large_enough, name):
    path, file, page = large_enough
    words, keys, figures = TABLES_OF_PAGE[name]
    with_stages = ["--stages", file] if "stage" in (words or []) else []
    asked = ask("requests", path, "--json") if words is None else ask("table", path, *words, *with_stages, "--json", "-n", "-1")
    assert asked.returncode == 0, asked.stderr
    told = {tuple(row[key] for key in keys): row for row in json.loads(asked.stdout)["rows"]}
    shown = json.loads(json.dumps(page[name.split()[0]], default=str))
    assert shown
    missing = [row for row in shown if tuple(row[key] for key in keys) not in told]
    assert not missing or (name == "tasks by memory" and all(row["memory_max_bytes"] <= 4 * GIB for row in missing))  # small ones are only counted there
    for row in shown:
        if row not in missing:
            other = told[tuple(row[key] for key in keys)]
            for figure in figures:
                is_number = isinstance(row[figure], float)
                assert other[figure] == (pytest.approx(row[figure], rel=1e-9) if is_number else row[figure]), (name, row, figure)


@pytest.mark.parametrize("words", [["--view", "beauty"], ["--by", "stage"], ["--view", "time", "--by", "stage", "--stages", "FILE"], ["--view", "time", "-m", "cpu"], ["--by", "stage", "--stages", "/nowhere"], ["--view", "time", "--where", "wall >> 3"], ["--over", "6 parsecs"]])
def test_views_that_mean_nothing_are_refused(ask, make_store, tmp_path, words):
    (tmp_path / "stages.toml").write_text('step1 = ["isr"]\n')
    done = ask("table", make_store([{"task": "isr"}]), *[tmp_path / "stages.toml" if word == "FILE" else word for word in words])
    assert done.returncode == 2 and done.stderr.startswith("rubinprof: ") and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("text", ["", "step1 = 3", "x = [", "step1 = [3]"])
def test_stages_that_mean_nothing_are_refused(tmp_path, text):
    (tmp_path / "stages.toml").write_text(text)
    with pytest.raises(ValueError):
        stages.read(tmp_path / "stages.toml")


@pytest.mark.parametrize(("span", "is_told"), [(30 / 86400, False), (2.0, True)])
def test_a_campaign_of_seconds_has_no_trend_a_day(span, is_told):
    """A change a day made of one in half a minute was a number that no float holds; nor does a crowd that began at once make one."""
    days = np.sort(np.concatenate([np.linspace(0, span, 50), np.full(50, span / 2) + np.arange(50) * 1e-6]))
    values = 10.0 * 2 ** (days / span) * np.exp(0.1 * np.random.default_rng(1).standard_normal(100))
    found = statistics.slope(days, values)
    assert (found is not None) == is_told
    if found:
        assert all(map(math.isfinite, found))


def test_each_disagreement_with_the_middleware_has_its_reason(make_store):
    """Ours and theirs of one quantum a task: wall, CPU, memory, the process's own high-water mark; what differs, and why."""
    said = {
        "agree": ({}, {}, {}),
        "other": ({}, {"start": BEGIN + datetime.timedelta(hours=1), "wall_s": 20.0}, {"wall": "attempt"}),
        "killed": ({"status": "unfinished", "wall_s": 4.0}, {}, {"wall": "unfinished"}),
        "around": ({}, {"wall_s": 11.0, "cpu_s": 12.0}, {"wall": "around", "cpu": "around"}),
        "exact": ({"overhead": 3.0}, {"cpu_s": 11.0}, {"cpu": "tool"}),
        "faster": ({}, {"cpu_s": 2.0}, {"cpu": "unknown"}),
        "clustered": ({"unit": 3}, {"max_rss_bytes": 4 * GIB}, {"memory": "earlier"}),
        "imports": ({}, {"max_rss_bytes": 4 * GIB}, {"memory": "start_up"}),
        "spawned": ({"process_rss_max_bytes": GIB}, {"max_rss_bytes": 4 * GIB}, {"memory": "inherited"}),
        "later": ({"rss_max_bytes": 4 * GIB}, {}, {"memory": "unknown"}),
    }
    ours, theirs, processes = [], [], []
    for i, (task, (one, other, _)) in enumerate(said.items()):
        one = dict(one)
        processes.append({"trace": f"{i:032x}", "quanta": 1, "overhead_s": one.pop("overhead", 0.0)})
        ours.append({"trace": f"{i:032x}", "task": task, "run": "r", "start": BEGIN, "wall_s": 10.0, "process_cpu_s": 9.0, "rss_max_bytes": GIB, "process_rss_max_bytes": 4 * GIB} | one)
        theirs.append({"key": task, "task": task, "run": "r", "data_id": {}, "status": "done", "start": BEGIN, "wall_s": 10.2, "cpu_s": 9.1, "max_rss_bytes": GIB} | other)
    path = make_store(ours, processes)
    campaign.Store.open(path).commit({"metadata": pa.Table.from_pylist(theirs, schema=TABLES["metadata"])}, "metadata")
    opened = campaign.open(path)
    found = disagreement.disagreement(opened, opened.quanta())
    assert {(row.key, row.figure): row.why for row in found if row.why} == {(task, figure): {why: 1} for task, (_, _, whys) in said.items() for figure, why in whys.items()}
    assert len(found) == 3 * len(said) and all(row.quanta == 1 and row.beyond == len(row.why) for row in found)
    rows = [row for row in rows_of(path, "disagreement") if row["task"] == "spawned"]
    assert [(row["figure"], row["beyond"]) for row in rows] == [("wall", 0), ("cpu", 0), ("memory", 1)] and "execve" in rows[2]["why"] and rows[2]["ours_over_theirs"] == 0.25


def test_without_figures_of_the_middleware_nothing_disagrees(make_store):
    path = make_store([{"task": "isr", "wall_s": 1.0}])
    assert views.view("disagreement", campaign.open(path)).rows == [] and "metadata" in views.view("disagreement", campaign.open(path)).notes[0]


@pytest.fixture
def of_both(make_store):
    """Four quanta of isr with figures of the middleware, the first two traced; a fifth has neither."""
    ours = [{"task": "isr", "run": "r", "data_id": {"band": "r", "visit": str(i)}, "wall_s": 9.0, "process_cpu_s": 5.0, "rss_max_bytes": 5 * GIB, "start": BEGIN} for i in range(2)]
    path = make_store(ours)
    theirs = [
        {"key": str(i), "task": "isr", "run": "r", "data_id": {"band": "r", "visit": str(i)}, "status": "done", "start": BEGIN, "wall_s": 10.0 * i, "cpu_s": 8.0 * i, "max_rss_bytes": i * GIB,
         "prep_wall_s": 1.0, "init_wall_s": 2.0, "prep_cpu_s": 0.5, "init_cpu_s": 0.25} for i in range(1, 5)]  # fmt: skip
    theirs.append({"key": "failed", "task": "isr", "run": "r", "data_id": {"band": "r", "visit": "9"}, "status": "failed"})
    campaign.Store.open(path).commit({"metadata": pa.Table.from_pylist(theirs, schema=TABLES["metadata"])}, "metadata")
    return path


def test_the_names_of_resource_usage_summary_mean_what_they_mean_there(of_both):
    (row,) = rows_of(of_both, "usage")
    memory, cpu, wall = [5, 1, 2, 3, 4], [5, 8, 16, 24, 32], [9, 10, 20, 30, 40]
    assert (row["task"], row["quanta"], row["integrated_runtime_hrs"]) == ("isr", 5, pytest.approx(sum(cpu) / 3600))
    for name, values in (("mem_GB", memory), ("runtime_s", cpu), ("walltime_s", wall)):
        assert [row[f"{name}_p{percent:03}"] for percent in usage.PERCENTILES] == pytest.approx(list(np.percentile(values, usage.PERCENTILES)))
    assert len(row) == 3 + 3 * len(usage.PERCENTILES)


@pytest.mark.parametrize(
    ("names", "figures"),
    [
        ("gather-resource-usage", {"memory": 3 * GIB, "prep_time": 0.5, "init_time": 0.25, "run_time": 24.0, "wall_time": 30.0}),
        ("provenance", {"memory": 3 * GIB, "start": BEGIN.timestamp() - 3.0, "prep_time": 1.0, "init_time": 2.0, "run_time": 30.0, "run_time_cpu": 24.0}),
    ],
)
def test_quanta_have_the_columns_of_the_tools_of_the_middleware(of_both, ask, tmp_path, names, figures):
    done = ask("export", of_both, "--names", names, "-o", tmp_path / "x.parquet")
    rows = pq.read_table(tmp_path / "x.parquet").to_pylist()
    assert done.returncode == 0 and len(rows) == 5 and rows[3] == {"task": "isr", "run": "r", "quantum_id": None, "band": "r", "visit": 3} | figures
    assert rows[0]["run_time"] in (5.0, 9.0) and rows[0]["prep_time"] is None  # ours alone


def test_names_of_the_middleware_are_of_quanta(of_both, ask, tmp_path):
    done = ask("export", of_both, "--names", "provenance", "--format", "pprof", "-o", tmp_path / "x")
    assert done.returncode == 2 and "--names" in done.stderr and not (tmp_path / "x").exists()
