"""A sampled campaign some of whose quanta were traced exact on request: they bias no figure."""

import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rubinprof import campaign
from rubinprof.campaign import budgets, requests, summary, views

pytestmark = pytest.mark.linux

GIB = 1024**3
BEGIN = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
SAMPLED, EXACT = ({"mode_cpu": mode, "mode_memory": mode} for mode in ("sampled", "exact"))
FIT = {"function": "fit", "file": "fit.py", "line": 1, "module": "fit", "kind": "python", "inlined": False, "self_cpu_ns": 10**9, "self_cpu_variance": 10**10}


@pytest.fixture
def mixed(load_module, tmp_path):
    """100 quanta of 10 s; a fifth of them was traced exact and took twice as long. Of another task all three were."""
    quanta = []
    for i in range(100):
        how = EXACT | {"exact_if": "1 in 5", "calls": 6, "gil_wait_s": 1.0} if i % 5 == 0 else SAMPLED
        quanta.append({"task": "isr", "wall_s": (2 if i % 5 == 0 else 1) * (10 + 0.1 * (i % 7)), "start": BEGIN + datetime.timedelta(hours=i), "host": "a"} | how)
    quanta += [{"task": "warp", "wall_s": 5.0, "gil_wait_s": 2.0, "exact_if": "task=warp"} | EXACT] * 3
    processes = [{"trace": f"{i:032x}", "quanta": 1, "cpu_s": 1.0} | {key: quantum[key] for key in SAMPLED} for i, quantum in enumerate(quanta)]
    return load_module(Path(__file__).with_name("made_store.py")).make(tmp_path / "mixed", quanta, processes, [FIT | {"calls": 120}])


def test_what_exact_quanta_alone_counted_is_no_sum_of_all(mixed):
    found = campaign.open(mixed)
    assert found.table(by="function").select("calls").fetchall() == [(None,)]
    assert found.sql("SELECT calls FROM functions").fetchall() == [(120,)]  # of those that counted
    waits = {row["task"]: row["gil_wait_s"] for row in views.view("time", found).dicts()}
    assert waits["isr"] is None and waits["warp"] == 6.0
    page = summary.summary(found)
    assert page["totals"]["gil_wait_s"] is None and {row["task"]: row["gil_wait_s"] for row in page["tasks"]} == {"isr": None, "warp": 6.0}


def test_a_budget_of_calls_needs_processes_that_all_count(mixed, tmp_path):
    (tmp_path / "b.toml").write_text("[function.fit]\ncalls = 3\n")
    with pytest.raises(ValueError, match="nobody has counted calls of fit: sampled traces count no calls"):
        budgets.check(campaign.open(mixed), budgets.read(tmp_path / "b.toml"))


@pytest.mark.parametrize("view", ["outliers", "modes"])
def test_quanta_that_the_tool_made_slower_stand_out_in_nothing(mixed, view):
    found = views.view(view, campaign.open(mixed))
    assert found.rows == [] and "(20) are not compared" in found.notes[0]


def test_every_quantum_is_in_the_sums(mixed):
    rows = {row[0]: row[1:] for row in campaign.open(mixed).table(by="exact_if").select("exact_if, quanta").fetchall()}
    assert rows == {None: (80,), "1 in 5": (20,), "task=warp": (3,)}
    assert [(row["condition"], row["quanta"]) for row in summary.summary(campaign.open(mixed))["exact_if"]] == [("1 in 5", 20), ("task=warp", 3)]


def test_a_job_of_several_traces_is_one_job(make_store):
    """Its first quantum was sampled, its second exact, so in a trace that begins where the first one ends."""
    quanta, processes = [], []
    for i in range(40):
        at = BEGIN + datetime.timedelta(hours=i)
        for part, (begin, wall, memory) in enumerate([(0, 20.0, 1), (20, 40.0, 3)]):
            trace, start = f"{2 * i + part:032x}", at + datetime.timedelta(seconds=begin)
            about = {"trace": trace, "host": "a", "pid": 7}
            quanta.append(about | {"task": ["isr", "warp"][part], "wall_s": wall - 5, "rss_max_bytes": memory * GIB, "start": start + datetime.timedelta(seconds=5), "exact_if": ["", "retry"][part] or None})
            processes.append(about | {"quanta": 1, "start": start, "wall_s": wall})
    jobs = requests._demands_of_jobs(campaign.open(make_store(quanta, processes)), None, {"both": ["isr", "warp"]})["both"]
    assert {demand.bytes for fold in jobs for demand in fold} == {3 * GIB}
    assert sum(demand.quanta for fold in jobs for demand in fold) == 40 and sum(demand.wall_s for fold in jobs for demand in fold) == 40 * 60.0


def test_a_store_from_before_the_columns_answers(mixed):
    (path,) = (mixed / "quanta").glob("*.parquet")
    pq.write_table(pq.read_table(path).drop_columns(["mode_cpu", "mode_memory", "exact_if"]), path)
    found = campaign.open(mixed)
    assert found.table(by="mode_cpu").select("mode_cpu, quanta").fetchall() == [(None, 103)]
    assert views.view("outliers", found).notes == []
