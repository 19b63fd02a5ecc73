"""Tables, requests and budgets: known answers."""

import datetime
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import rubinprof
from rubinprof import campaign
from rubinprof.campaign import attempts, budgets, condition, requests
from rubinprof.campaign.schema import TABLES

pytestmark = pytest.mark.linux

GIB = 1024**3


def made(path, quanta, first=0):
    """A store with these quanta too, each a dict; what they lack is null."""
    store = campaign.Store.create(path)
    rows = [{"trace": f"{first + i:032x}", "unit": 0, "status": "done", "data_id": {}, "labels": {}} | quantum for i, quantum in enumerate(quanta)]
    tables = {
        "quanta": pa.Table.from_pylist(rows, schema=TABLES["quanta"]),
        "processes": pa.Table.from_pylist([{"trace": row["trace"], "quanta": 1} for row in rows], schema=TABLES["processes"]),
        "functions": TABLES["functions"].empty_table(),
    }
    store.commit(tables)
    return campaign.open(path)


def test_a_table_adds_up(store):
    found = campaign.open(store)
    by_task = found.table("task").df().set_index("task")
    assert by_task["quanta"].to_dict() == {"isr": 18, "calibrateImage": 12} and by_task["not_done"].to_dict() == {"isr": 0, "calibrateImage": 2}
    assert by_task["wall_s"].sum() == pytest.approx(found.table("detector").df()["wall_s"].sum())
    assert set(found.dimensions()) == {"detector", "visit"}


def test_dimensions_are_told_once_and_implied_ones_are_asked_for_too(store):
    found = campaign.open(store)
    assert (found.dimensions(), found.labels()) == (["detector", "visit"], ["band"])
    assert found.table("band").df().set_index("band")["quanta"].to_dict() == {"r": 18, "i": 12}
    assert len(found.quanta("band = i and detector = 1").fetchall()) == 6


def test_a_table_of_functions_holds_the_cpu_time_of_the_processes(store):
    found = campaign.open(store)
    rows = found.table("function").df()
    assert rows["self_cpu_s"].sum() == pytest.approx(found.totals()["cpu_s"], rel=0.01)
    assert "<module>" in set(rows["function"])


def test_functions_of_a_campaign_are_the_sums_of_those_of_its_traces(store, spool):
    """To the nanosecond and the byte: nothing of them is sampled again."""
    figures = {"cpu": ("self_cpu_s", 1e9), "allocated": ("allocated_bytes", 1), "allocations": ("allocations", 1), "leaked": ("leaked_bytes", 1)}
    expected, found = Counter(), Counter()
    for path in sorted(spool.iterdir()):
        with rubinprof.open(path, jobs=1) as trace:
            for metric, (name, whole) in figures.items():
                for row in trace.table("function", metric):
                    expected[row["function"], row["kind"], row["line"] if row["kind"] == "python" else None, name] += round(row[name] * whole)
    names = [name for name, _ in figures.values()]
    for *key, line, cpu, allocated, allocations, leaked in campaign.open(store).table("function").select(f"function, kind, line, {', '.join(names)}").fetchall():
        for name, value in zip(names, (round(cpu * 1e9), allocated, allocations, leaked), strict=True):
            found[*key, line, name] += value
    assert len(+expected) > 100 and {name for *_, name in +expected} == set(names)
    assert +found == +expected


def test_a_condition_chooses_quanta(store):
    found = campaign.open(store)
    assert len(found.quanta("task = isr and detector = 1").fetchall()) == 6
    assert len(found.quanta("peak >= 4 MB").fetchall()) == len([1 for (peak,) in found.sql("SELECT peak_bytes FROM quanta").fetchall() if peak >= 4 << 20])
    assert condition.parse("wall > 1.5 min or status != 'done'").values == [90.0, "done"]


def budget(tmp_path, text):
    (tmp_path / "budgets.toml").write_text(text)
    return budgets.read(tmp_path / "budgets.toml")


def test_budgets_of_functions_heed_calls_and_errors(make_store, tmp_path, load_module):
    made = load_module(Path(__file__).with_name("made_store.py"))
    functions = [{"function": "fit", "file": f"{name}.py", "line": 1, "module": name, "kind": "python", "inlined": False, "calls": 6, "self_cpu_ns": 10**9, "self_cpu_variance": 10**10} for name in "ab"]
    functions.append({"function": "draw", "file": "", "line": 0, "module": "libx.so", "kind": "native", "inlined": False, "self_cpu_ns": 10**9, "allocated_bytes": 4096})
    found = campaign.open(made.make(tmp_path / "made", [{"task": "isr", "wall_s": 1.0}] * 4, functions=functions))
    limits = budget(tmp_path, """[function.fit]
calls = 2
cpu = "0.49 s"
[function.draw]
allocated = "1 kB"
""")
    verdicts = budgets.check(found, limits)
    assert [one.is_broken for one in verdicts] == [True, False, False]
    assert "calls of fit 3 a quantum" in verdicts[0].sentence and "may be noise" in verdicts[1].sentence
    for text in ('[function.draw]\ncalls = 3\n', '[function.none]\ncpu = "1 s"\n'):
        with pytest.raises(ValueError):
            budgets.check(found, budget(tmp_path, text))


def test_budgets_of_a_tasks_functions_come_from_its_sums(store, tmp_path):
    found = campaign.open(store)
    (row,) = [row for row in found.table("function", "allocated", task="isr").fetchall() if row[0] == "<module>"]
    count = len(found.quanta("task = isr").fetchall())
    broken, kept = ('[task.isr.function."<module>"]\nallocated = "%d B"\n' % (row[8] / count * times) for times in (0.5, 2))
    assert [one.is_broken for text in (broken, kept) for one in budgets.check(found, budget(tmp_path, text))] == [True, False]


@pytest.mark.parametrize("text", ["[function.x]\n", "function = 3\n", '[function.x]\nbeauty = 3\n', '[task.isr.function.x]\ncalls = 3\n', '[function.x]\ncpu = "much"\n'])
def test_budgets_of_functions_that_mean_nothing_are_refused(tmp_path, text):
    with pytest.raises(ValueError):
        budget(tmp_path, text)


def test_a_cluster_asks_for_what_its_jobs_need(make_store, ask, tmp_path):
    """Two tasks share a job: it needs the larger memory for as long as both take."""
    at = datetime.datetime(2026, 11, 29, tzinfo=datetime.UTC)
    quanta, processes = [], []
    for i in range(400):
        trace = f"{i:032x}"
        quanta.append({"trace": trace, "unit": 0, "task": "isr", "wall_s": 10.0, "rss_max_bytes": 1 * GIB, "start": at + datetime.timedelta(seconds=5)})
        quanta.append({"trace": trace, "unit": 1, "task": "warp", "wall_s": 30.0, "rss_max_bytes": 3 * GIB, "start": at + datetime.timedelta(seconds=15)})
        processes.append({"trace": trace, "quanta": 2, "start": at})
    store = make_store(quanta, processes)
    (tmp_path / "bps.yaml").write_text("cluster:\n  step1:\n    pipetasks: isr, warp\n    dimensions: visit\n")
    done = ask("requests", store, "--clusters", tmp_path / "bps.yaml", "-o", tmp_path / "r.yaml")
    assert done.returncode == 0, done.stderr
    made = yaml.safe_load((tmp_path / "r.yaml").read_text())
    assert made["pipetask"]["isr"]["requestMemory"] == 1024 and made["cluster"]["step1"]["requestMemory"] == 3072
    (job,) = [one for one in requests.advise(campaign.open(store), clusters=requests.read_clusters(tmp_path / "bps.yaml")) if one.is_cluster]
    assert (job.task, job.quanta) == ("step1", 400)
    assert sum(demand.wall_s for fold in requests._demands_of_jobs(campaign.open(store), None, {"step1": ["isr", "warp"]})["step1"] for demand in fold) == 400 * 45.0
    (tmp_path / "bps.yaml").write_text("pipetask: {}\n")
    assert ask("requests", store, "--clusters", tmp_path / "bps.yaml").returncode == 2


def near(value):
    return pytest.approx(value, rel=1e-12) if isinstance(value, float) else value


@pytest.mark.parametrize("words", [["--by", "task"], ["--view", "time"]])
def test_a_table_as_parquet_has_its_figures(store, words):
    command = [sys.executable, "-m", "rubinprof", "campaign", "table", str(store), *words]
    rows = json.loads(subprocess.run([*command, "--json"], check=True, capture_output=True, timeout=120).stdout)["rows"]
    data = subprocess.run([*command, "--parquet"], check=True, capture_output=True, timeout=120).stdout
    told = pq.read_table(pa.BufferReader(data)).to_pylist()
    # DuckDB adds up on all cores, in no order: the last digit of a sum is not the same twice.
    assert [{key: near(value) for key, value in row.items()} for row in rows] == told


def test_a_task_holds_for_all_of_a_condition(store):
    """Or binds looser than and: the task is no part of its first half."""
    found = campaign.open(store)
    for by in ("task", "line"):
        one, two = (found.table(by, task="isr", where=where).df() for where in ("band = r or band = i", "band = i or band = r"))
        assert one.equals(two)
    assert found.table("task", task="isr", where="band = r or band = i").df()["task"].tolist() == ["isr"]
    assert campaign.open(store).flame(task="isr", where="band = r or band = i").stacks("allocated") == found.flame(task="isr").stacks("allocated")


@pytest.mark.parametrize("text", ["", "peak", "peak >", "peak > 6 parsecs", "tusk > 3", "peak > 6 GB and", "task = 'isr' isr = 3 = 4"])
def test_a_condition_with_a_typo_is_refused(text):
    with pytest.raises(ValueError):
        condition.parse(text)


def test_large_quanta_and_their_walltime(tmp_path):
    quanta = [{"task": "isr", "rss_max_bytes": 1 * GIB, "wall_s": 1.0}] * 97 + [{"task": "isr", "rss_max_bytes": 7 * GIB, "wall_s": 100.0}] * 3
    (row,) = made(tmp_path, quanta).table("task").df().to_dict("records")
    assert (row["over"], row["over_wall_s"], row["wall_s"], row["memory_max_bytes"]) == (3, 300.0, 397.0, 7 * GIB)


def test_earlier_attempts_at_a_quantum_are_told_apart(ask, tmp_path):
    """Three jobs tried one quantum, the second of them ended last; another has no id, a third is no quantum at all."""
    at = [datetime.datetime(2026, 11, 29, hour, tzinfo=datetime.UTC) for hour in range(4)]
    one = {"task": "isr", "quantum_id": "a", "run": "r", "host": "n1"}
    two = {"task": "isr", "run": "r", "data_id": {"visit": "1"}, "host": "n2"}
    found = made(tmp_path / "store", [
        one | {"start": at[0], "status": "unfinished", "wall_s": 10.0, "process_cpu_s": 9.0},
        one | {"start": at[3], "status": "done", "wall_s": 1.0, "process_cpu_s": 0.5},
        one | {"start": at[1], "status": "failed", "wall_s": 100.0, "process_cpu_s": 90.0, "host": "n3"},
        two | {"start": at[1], "status": "done", "wall_s": 4.0, "process_cpu_s": 4.0},
        two | {"start": at[0], "status": "failed", "wall_s": 2.0},
        two | {"start": at[0], "run": "other", "status": "done", "wall_s": 8.0, "process_cpu_s": 8.0},
        {"task": "isr", "start": at[0], "wall_s": 16.0, "process_cpu_s": 16.0, "host": "n1"},
        {"task": "isr", "start": at[1], "wall_s": 32.0, "process_cpu_s": 32.0, "host": "n1"},
    ])  # fmt: skip
    (row,) = found.table("task").df().to_dict("records")
    assert (row["quanta"], row["not_done"], row["wall_s"], row["cpu_s"]) == (5, 0, 61.0, 60.5)
    assert (row["earlier_attempts"], row["earlier_wall_s"], row["earlier_cpu_s"]) == (3, 112.0, 99.0)
    by_host = {row["host"]: (row["quanta"], row["earlier_attempts"]) for row in found.table("host").df().to_dict("records")}
    assert by_host == {"n1": (3, 1), "n2": (2, 1), "n3": (0, 1)}
    rows = found.sql("SELECT attempt, attempts, is_last FROM quanta WHERE quantum_id = 'a' ORDER BY start").fetchall()
    assert rows == [(1, 3, False), (2, 3, False), (3, 3, True)]
    assert len(found.quanta("attempt > 1").fetchall()) == 3
    assert not budgets.check(found, {"at": 1, "task": {"isr": {"not_done": 0.0, "wall": 32.0}}})[0].is_broken
    assert "3 earlier, not in this table, took 112 s" in ask("table", tmp_path / "store").stdout


def test_last_attempts_are_those_of_all_quanta_that_are_last(tmp_path):
    """They are found another way, with less work: by what was tried again and is left out."""
    at = [datetime.datetime(2026, 11, 29, hour, tzinfo=datetime.UTC) for hour in range(3)]
    quanta = [{"task": "isr", "run": "r", "data_id": {"visit": str(i % 5)}, "start": at[i // 5], "wall_s": float(i)} for i in range(12)]

    def both(where=None):
        found = campaign.open(tmp_path / "store")
        last = found.last_attempts(where)
        assert set(found.quanta().columns) - set(last.columns) <= {"attempt", "attempts"}
        return [sorted(rows.select("trace, wall_s, is_last, butler_wall_s").fetchall(), key=str) for rows in (last, found.quanta(where).filter("is_last"))]

    made(tmp_path / "store", quanta)
    last, of_all = both()
    assert last == of_all and sorted(wall for _, wall, *_ in last) == [7.0, 8.0, 9.0, 10.0, 11.0]
    assert both("wall > 8 s") == [last[2:], last[2:]] and both("attempt > 2")[0] == both("attempt > 2")[1] == last[3:]
    theirs = [{"key": str(i), "task": "isr", "run": "r", "data_id": {"visit": str(i)}, "status": "done", "wall_s": 50.0 + i} for i in range(2)]
    campaign.Store.open(tmp_path / "store").commit({"metadata": pa.Table.from_pylist(theirs, schema=TABLES["metadata"])}, "metadata")
    last, of_all = both()
    assert last == of_all and [theirs for *_, theirs in last] == [None, None, None, 50.0, 51.0]


def test_attempts_are_the_same_whenever_they_are_looked_for(tmp_path):
    """Found with each commit in turn, all at once, and by a reader of a store that keeps none."""
    chance = random.Random(5)
    at = datetime.datetime(2026, 11, 29, tzinfo=datetime.UTC)
    hours = list(range(60))
    chance.shuffle(hours)  # what is added later may have begun earlier
    quanta = [{"task": "isr", "run": "r", "start": at + datetime.timedelta(hours=hour), "data_id": {"visit": str(i % 25)}} for i, hour in enumerate(hours)]
    for i, quantum in enumerate(quanta):
        if i % 25 < 10:
            quantum["quantum_id"] = f"id{i % 25}"
    step = tmp_path / "step"
    for i in range(0, 60, 20):
        made(step, quanta[i : i + 20], first=i)
        attempts.keep(campaign.Store.open(step))
    made(tmp_path / "whole", quanta)
    rows = "SELECT trace, attempt, attempts, is_last FROM quanta ORDER BY trace"
    in_turn, at_once = (campaign.open(path).sql(rows).fetchall() for path in (step, tmp_path / "whole"))
    assert in_turn == at_once and {attempts for _, _, attempts, _ in at_once} == {2, 3}
    assert sum(is_last for *_, is_last in at_once) == 25
    (step / "attempts.parquet").write_bytes(b"no Parquet")
    assert campaign.open(step).sql(rows).fetchall() == at_once
    attempts.keep(campaign.Store.open(step))
    assert attempts.find(campaign.Store.open(step)).num_rows == 60


def test_a_request_is_the_cheapest_one(tmp_path):
    """995 quanta of 2 GiB and 5 of 7: two attempts of a few are cheaper than a large request for all."""
    quanta = [{"task": "isr", "rss_max_bytes": 2 * GIB, "wall_s": 10.0}] * 995 + [{"task": "isr", "rss_max_bytes": 7 * GIB, "wall_s": 10.0}] * 5
    (one,) = requests.advise(made(tmp_path, quanta))
    assert one.request.bytes == 2 * GIB and one.retry_rate == 0.005
    # 995 quanta at 2 GiB; five at 2 and then, since 7 are needed, at what the multiplier gives: 3 asks 2 + 6 + 18, 2 asks 2 + 4 + 8.
    assert one.request.multiplier == 2.0 and one.cost == pytest.approx((995 * 2 + 5 * 14) / (995 * 4 + 5 * 12))
    assert one.saving[0] == pytest.approx(0.49, abs=0.02) and 0 <= one.saving[1] < 0.02


def test_no_request_retries_more_than_allowed(tmp_path):
    chance = random.Random(3)
    quanta = [{"task": "isr", "rss_max_bytes": int(chance.lognormvariate(1.0, 0.6) * GIB), "wall_s": chance.expovariate(0.01)} for _ in range(3000)]
    found = made(tmp_path, quanta)
    strict, loose = requests.advise(found, retry_rate_max=0.002)[0], requests.advise(found, retry_rate_max=0.3)[0]
    assert strict.retry_rate <= 0.002 and loose.retry_rate <= 0.3 and loose.cost < strict.cost


def test_those_are_tried_again_that_save_most_by_it(tmp_path, ask):
    """2 % of one task are huge, 1 % of all quanta may be retried: they are, instead of the huge request for all of their task. Task by task they may not."""
    quanta = [{"task": "huge", "rss_max_bytes": 12 * GIB, "wall_s": 10.0}] * 20 + [{"task": "huge", "rss_max_bytes": 2 * GIB, "wall_s": 10.0}] * 980
    quanta += [{"task": "even", "rss_max_bytes": (GIB if i % 100 else GIB + 2**26), "wall_s": 10.0} for i in range(1500)]
    made(tmp_path / "store", quanta)
    found = campaign.open(tmp_path / "store")
    of_all, of_each = requests.advise(found), requests.advise(found, is_of_task=True)
    assert [one.request.bytes for one in of_all] == [GIB + 2**26, 2 * GIB] and [one.request.bytes for one in of_each] == [GIB, 12 * GIB]
    together, apart = requests.total(of_all), requests.total(of_each)
    assert together.retry_rate == pytest.approx(20 / 2500) and together.cost < 0.6 * apart.cost and 0 < together.error < 0.1
    told = ask("requests", tmp_path / "store")
    assert "All tasks, on quanta that the requests were not made from: " in told.stdout and "0.80 % tried again" in told.stdout, told.stdout + told.stderr


def test_too_few_quanta_give_no_request(tmp_path):
    (one,) = requests.advise(made(tmp_path, [{"task": "isr", "rss_max_bytes": GIB, "wall_s": 1.0}] * 20))
    assert one.request is None and "300 are needed" in one.why_not


def test_bps_loads_the_requests(ask, tmp_path):
    quanta = [{"task": "isr", "rss_max_bytes": 2 * GIB, "wall_s": 1.0}] * 400 + [{"task": "rare", "rss_max_bytes": GIB, "wall_s": 1.0}]
    made(tmp_path / "store", quanta)
    done = ask("requests", tmp_path / "store", "-o", tmp_path / "bps.yaml")
    assert done.returncode == 0, done.stderr
    text = yaml.safe_load((tmp_path / "bps.yaml").read_text())
    assert text == {"pipetask": {"isr": {"requestMemory": 2048, "memoryMultiplier": 1.5}}} and "rare" in done.stdout
    bps = pytest.importorskip("lsst.ctrl.bps")
    _, value = bps.BpsConfig(str(tmp_path / "bps.yaml")).search("requestMemory", opt={"curvals": {"curr_pipetask": "isr"}})
    assert int(value) == 2048


def test_an_estimate_breaks_a_budget_beyond_its_error(tmp_path):
    """The error was ignored. Resident memory is measured, whatever error the heap has."""
    found = made(tmp_path, [{"task": "isr", "peak_bytes": 120, "peak_bytes_error": 25.0}, {"task": "bias", "rss_max_bytes": 120, "peak_bytes": 90, "peak_bytes_error": 25.0}])
    verdicts = budgets.check(found, {"at": 1, "task": {"isr": {"peak": 100, "memory": 100}, "bias": {"memory": 100}}})
    assert [verdict.is_broken for verdict in verdicts] == [False, False, True]
    assert "may be noise" in verdicts[0].sentence
    assert budgets.check(found, {"at": 1, "task": {"isr": {"peak": 94}}})[0].is_broken


def test_a_broken_budget_is_exit_one(ask, tmp_path, store):
    limits = tmp_path / "budgets.toml"
    limits.write_text('at = 1\n[task.isr]\npeak = "1 KB"\nwall = "1 h"\n[task.calibrateImage]\nnot_done = 0.0\n')
    done = ask("check", store, limits)
    assert done.returncode == 1 and done.stdout.count("BROKEN") == 2 and done.stdout.count("kept") == 1, done.stdout + done.stderr


@pytest.mark.parametrize(
    "text", ['[task.isr]\npeek = "1 GB"\n', '[task.isr]\npeak = "1 parsec"\n', "[task.nothing]\nwall = 3\n", "at = 7\n", "", "x = ["]
)
def test_budgets_that_mean_nothing_are_refused(ask, tmp_path, store, text):
    limits = tmp_path / "budgets.toml"
    limits.write_text(text)
    done = ask("check", store, limits)
    assert done.returncode == 2 and done.stderr.startswith("rubinprof: ") and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("words", [["--by", "nonsense"], ["--where", "peek > 3"], ["-m", "beauty"], ["--by", "function", "--where", "peek > 1"]])
def test_questions_that_mean_nothing_are_refused(ask, store, words):
    done = ask("table", store, *words)
    assert done.returncode == 2 and done.stderr.startswith("rubinprof: ") and done.stderr.count("\n") == 1, done.stderr


def test_the_table_is_printed_for_people_and_for_programs(ask, store):
    assert "calibrateImage" in ask("table", store).stdout
    assert ask("table", store, "--csv", "--by", "task").stdout.startswith("task,quanta,not_done,wall_s")
    assert '"task": "isr"' in ask("table", store, "--json").stdout
    assert ask("verify", store).stdout.startswith("The store is whole: 6 traces")


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_quanta_are_exported_for_other_tools(ask, tmp_path, store, form):
    import duckdb

    path = tmp_path / f"quanta.{form}"
    done = ask("export", store, "--format", form, "-o", path, "--where", "task = isr")
    assert done.returncode == 0 and done.stdout.strip().endswith("18 rows"), done.stderr
    assert duckdb.sql(f"SELECT count(*), min(task), max(attempts) FROM '{path}'").fetchall() == [(18, "isr", 1)]
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == [path.name]
    refused = ask("export", store, "-o", tmp_path / "nowhere" / "x.parquet")
    assert refused.returncode == 2 and refused.stderr.count("\n") == 1


def test_a_long_question_tells_how_far_it_is(store):
    told = []
    found = campaign.open(store)
    with found.watched(lambda done, total: told.append((done, total))) as opened:
        assert opened is found
        found.sql("SELECT count(*) FROM range(300000000) t(i) WHERE hash(i) % 7 = 0").fetchall()
    assert all(0 <= done <= total == 100 for done, total in told)


@pytest.mark.parametrize("words", [["table"], ["table", "--by", "function"], ["requests"], ["history"]], ids=" ".join)
def test_a_question_loads_neither_pandas_nor_fsspec(store, words):
    """Pandas takes longer to load than these questions take to answer. Libraries below them load it behind one's back. fsspec is for URLs."""
    code = "import sys; from rubinprof.cli import main; main(sys.argv[1:]); sys.exit(not sys.modules.keys().isdisjoint({'pandas', 'fsspec'}))"
    stores = [store, store] if words == ["history"] else [store]
    done = subprocess.run([sys.executable, "-c", code, "campaign", *words, *map(str, stores)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def put_metadata(path, kind, rows):
    """Rows of the middleware into a store; what they lack is null. Gives the campaign."""
    store = campaign.Store.create(path)
    store.commit({kind: pa.Table.from_pylist([{"data_id": {"visit": "1"}, "task": "isr", "run": "r"} | row for row in rows], schema=TABLES[kind])}, kind)
    return campaign.open(path)


def test_a_quantum_that_summaries_and_metadata_tell_of_is_one(tmp_path):
    """It failed twice, as two summaries say, then it succeeded: its trace, and another quantum's failure, were there three times."""
    made(tmp_path / "s", [{"task": "isr", "run": "r", "data_id": {"visit": "1"}, "wall_s": 4.0}])
    rows = [{"key": "a", "status": "failed", "exception": "E"}, {"key": "b", "status": "failed"}, {"key": "c", "status": "done", "wall_s": 5.0}]
    rows += [{"key": f"{i}", "status": "failed", "data_id": {"visit": "2"}} for i in range(3)]
    found = put_metadata(tmp_path / "s", "metadata", rows)
    assert found.sql("SELECT data_id['visit'], status, wall_s, butler_wall_s FROM quanta ORDER BY 1").fetchall() == [("1", "done", 4.0, 5.0), ("2", "failed", None, None)]


def test_a_provenance_graph_does_not_hide_how_a_summary_says_that_a_quantum_ended(tmp_path):
    """A quantum that left no log is unknown to the graph; the summary says that it was killed."""
    put_metadata(tmp_path / "s", "metadata", [{"key": "a", "status": "timeout"}])
    found = put_metadata(tmp_path / "s", "provenance", [{"key": "q.1", "quantum_id": "q", "attempt": 1, "status": "unknown"}, {"key": "p.1", "quantum_id": "p", "status": "unknown", "task": "flat"}])
    assert found.sql("SELECT task, status, quantum_id FROM quanta ORDER BY task").fetchall() == [("flat", "unknown", "p"), ("isr", "timeout", "q")]
