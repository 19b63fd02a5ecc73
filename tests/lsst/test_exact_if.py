"""``--rubinprof-exact-if``: quanta of a sampled run that are traced exact."""

import subprocess
import sys
from collections import Counter

import click
import pytest
from click.testing import CliRunner

import rubinprof
from pipeline_run import PROGRAMS, made_once, must_call
from rubinprof import campaign
from rubinprof.lsst import option
from rubinprof.lsst.exact_quanta import TRIED, ExactQuanta, parse

pytestmark = [pytest.mark.lsst, pytest.mark.linux]

SAMPLED = ["--rubinprof-mode", "sampled"]


def labels(number, task="isr"):
    return {"quantum_id": f"id-{number}", "task": task, "data_id": "", "run": "r"}


def chosen(conditions, *quanta, directory="/nowhere"):
    """What chooses each quantum."""
    exact = ExactQuanta(str(directory), parse(conditions))
    return [exact.begin(quantum) for quantum in quanta]


def test_a_task_is_chosen_by_its_label_or_a_pattern():
    quanta = [labels(i, task) for i, task in enumerate(["isr", "isrFlat", "calibrate"])]
    assert chosen(["task=isr"], *quanta) == ["task=isr", None, None]
    assert chosen(["task=isr*,task = cal*"], *quanta) == ["task=isr*", "task=isr*", "task=cal*"]


def test_one_in_n_chooses_the_same_quanta_at_each_attempt():
    quanta = [labels(i) for i in range(20_000)]
    tens, hundreds = (chosen([f"1 in {n}"], *quanta) for n in (10, 100))
    assert tens == chosen(["1in10"], *quanta)
    assert sum(map(bool, tens)) == pytest.approx(2000, abs=200) and sum(map(bool, hundreds)) == pytest.approx(200, abs=70)
    assert all(ten for ten, hundred in zip(tens, hundreds, strict=True) if hundred)
    assert all(chosen(["1 in 1"], *quanta[:100]))


def test_conditions_that_are_joined_hold_together():
    quanta = [labels(i, task) for i in range(200) for task in ("isr", "warp")]
    both, one_in = chosen(["task=isr and 1 in 4"], *quanta), chosen(["1 in 4"], *quanta)
    assert [bool(one) for one in both] == [bool(one) and quantum["task"] == "isr" for one, quantum in zip(one_in, quanta, strict=True)]


def test_a_quantum_was_tried_unless_it_ended_well(tmp_path):
    def attempt(status):
        exact = ExactQuanta(str(tmp_path), parse(["retry"]))
        found = exact.begin(labels(1))
        if status:  # else the process was killed
            exact.end(status)
        return found

    assert [attempt(status) for status in ("failed", None, "done", "no_work", "failed_repeatable", "done", "done")] == [None, "retry", "retry", None, None, "retry", None]
    assert not [path for path in (tmp_path / TRIED).rglob("*") if path.is_file()]


@pytest.mark.parametrize("text", ["", "1 in 0", "all", "task=", "retry,", "task=isr or retry"])
def test_what_is_no_condition_is_one_sentence(text):
    with pytest.raises(ValueError, match="is no condition on quanta; write 'task=LABEL', '1 in N' or 'retry'$"):
        parse([text])


@pytest.mark.parametrize("words, sentence", [
    ([*SAMPLED, "--rubinprof-exact-if", "some"], "'some' is no condition on quanta; write 'task=LABEL', '1 in N' or 'retry'."),
    (["--rubinprof-exact-if", "retry"], "chooses quanta of a sampled run; add --rubinprof-mode sampled."),
])  # fmt: skip
def test_bad_use_is_told(tmp_path, words, sentence):
    params = [option.make_mode_option(), option.make_exact_if_option(), click.Option([option.FLAG], type=option.TraceDirectory())]
    done = CliRunner().invoke(click.Command("run-qbb", params=params, callback=print), [*words, "--rubinprof", str(tmp_path / "traces")])
    assert done.exit_code == 2 and done.output.startswith("Error: --rubinprof-exact-if") and done.output.endswith(f"{sentence}\n") and done.output.count("\n") == 1, done.output
    assert not (tmp_path / "traces").exists()


CONDITIONS = ["retry", "task=coll*", "1 in 2"]
ONE_QUANTUM = """
import rubinprof
from rubinprof.lsst.process_trace import ProcessTrace

trace = ProcessTrace("traces", {"cpu": "sampled", "memory": "sampled"}, single_quantum=True, exact_if=("task=isr",))
trace.start()
with rubinprof.region("isr", **trace.begin_quantum({"task": "isr", "data_id": "", "quantum_id": "1"})):
    len(str(1))
trace.end_quantum("done")
"""


@pytest.fixture(scope="module")
def found(pipeline, tmp_path_factory):
    """(mode, region) of each attempt, in the order of time, and a store of the traces."""
    made = pipeline.directory / "exact-if"
    with made_once(made) as missing:
        if missing:
            must_call([sys.executable, PROGRAMS / "exact_if.py", pipeline.repo, "exact-if", made, ",".join(CONDITIONS)], made)
    regions = []
    for path in (made / "traces").rglob("*.rprof"):
        with rubinprof.open(path) as trace:
            assert trace.is_whole()
            regions += [(trace.stats()["mode"], row) for row in trace.regions()]
    store = tmp_path_factory.mktemp("exact-if") / "store"
    campaign.add(store, made / "traces", workers=0)
    assert not [path for path in (made / "traces" / TRIED).rglob("*") if path.is_file()]
    return sorted(regions, key=lambda one: one[1]["start_unix_s"]), store


def wanted(regions):
    """What has to choose each of them: a quantum that failed before is tried again."""
    conditions, failed = [], set()
    for _, row in regions:
        exact, about = ExactQuanta("/nowhere", parse(CONDITIONS[1:])), row["labels"]
        conditions.append("retry" if about["quantum_id"] in failed else exact.begin(about))
        failed |= {about["quantum_id"]} if about["status"] == "failed" else set()
    return conditions


def test_a_chosen_quantum_is_traced_exact_and_says_why(found):
    regions, _ = found
    assert [(row["name"], row["labels"]["status"]) for _, row in regions][-2:] == [("behave", "done"), ("collect", "done")]
    conditions = [row["labels"].get("exact_if") for _, row in regions]
    assert conditions == wanted(regions) and conditions[-2:] == ["retry", "task=coll*"]
    for (mode, row), condition in zip(regions, conditions, strict=True):
        assert mode["cpu"] == mode["memory"] == ("exact" if condition else "sampled")
        assert (row["calls"] is not None) == bool(condition)


def test_the_store_says_how_each_quantum_was_traced(found):
    regions, store = found
    rows = campaign.open(store).sql("SELECT exact_if, mode_cpu, mode_memory FROM quanta ORDER BY start").fetchall()
    assert [row[0] for row in rows] == wanted(regions)
    assert all(row[1] == row[2] == ("exact" if row[0] else "sampled") for row in rows)
    counts = campaign.open(store).table(by="exact_if").select("exact_if, quanta + earlier_attempts").fetchall()
    assert dict(counts) == Counter(wanted(regions))


def test_a_worker_is_sampled_until_its_quantum_is_chosen(tmp_path):
    subprocess.run([sys.executable, "-c", ONE_QUANTUM], cwd=tmp_path, check=True, timeout=120)
    found = []
    for path in (tmp_path / "traces").rglob("*.rprof"):
        with rubinprof.open(path) as trace:
            found.append((trace.stats()["mode"]["cpu"], trace.stats()["complete"], [row["labels"] for row in trace.regions()]))
    assert sorted(found) == [("exact", True, [{"exact_if": "task=isr"}]), ("sampled", True, [])]


def test_inside_of_another_tracer_nothing_is_exact(tmp_path):
    program = f"import rubinprof\nwith rubinprof.Tracker('outer.rprof', cpu='sampled', memory='sampled'):\n    exec({ONE_QUANTUM!r})\n"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=120)
    (path,) = tmp_path.rglob("*.rprof")
    with rubinprof.open(path) as trace:
        assert [row["labels"] for row in trace.regions()] == [{}] and trace.stats()["mode"]["cpu"] == "sampled"
