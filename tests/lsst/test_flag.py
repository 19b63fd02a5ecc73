"""``pipetask run --rubinprof DIR``: one trace a process, one region a quantum."""

import csv
import io
import sys
from types import SimpleNamespace

import pyarrow.parquet
import pytest

import rubinprof
from pipeline_run import FRONT_END, PROGRAMS, call, must_call, quantum_regions
from rubinprof.campaign import condition
from rubinprof.campaign.query import FUNCTIONS_BY, QUANTA_BY

pytestmark = [pytest.mark.lsst, pytest.mark.linux]

ALL_ENDS = ["done", "no_work", "partial", "failed"]


def test_one_process_makes_one_trace(pipeline):
    run = pipeline.run("one-process", ALL_ENDS)
    [trace] = run.trace_files()
    assert statuses(trace) == ALL_ENDS
    assert rubinprof.open(trace).is_whole()


def test_workers_make_a_trace_each(pipeline):
    run = pipeline.run("spawned", ALL_ENDS, "-j", "2")
    traces = run.trace_files()
    assert len(traces) == len(ALL_ENDS)
    assert all(len(quantum_regions(trace)) == 1 for trace in traces)
    assert sorted(statuses(run.traces)) == sorted(ALL_ENDS)
    assert rubinprof.open(run.traces).is_whole()


def test_workers_of_a_fork_server_leave_whole_traces(pipeline):
    # They end by os._exit(), which on CPython 3.11 runs nothing of atexit.
    run = pipeline.run("forked", ["done", "failed"], "-j", "2", "--start-method", "forkserver", "--rubinprof-sources")
    assert sorted(statuses(run.traces)) == ["done", "failed"]
    trace = rubinprof.open(run.traces)
    assert trace.is_whole()
    assert any("def runQuantum" in source["text"] for source in trace.sources())


def test_the_mode_reaches_the_workers(pipeline):
    run = pipeline.run("sampled", ["done", "failed"], "-j", "2", "--rubinprof-mode", "sampled")
    assert sorted(statuses(run.traces)) == ["done", "failed"]
    for trace in run.trace_files():
        stats = rubinprof.open(trace).stats()
        assert stats["mode"]["cpu"] == stats["mode"]["memory"] == "sampled"
        assert stats["complete"] and stats["calls"] is None


def test_labels_identify_the_quantum(pipeline):
    run = pipeline.run("spawned", ALL_ENDS, "-j", "2")
    ids = {quantum["quantumId"] for quantum in run.summary["quantaReports"] if quantum["taskLabel"] == "behave"}
    rows = quantum_regions(run.traces)
    assert {row["labels"]["quantum_id"] for row in rows} == ids
    assert {row["labels"]["data_id"] for row in rows} == {f"instrument=Tiny, detector={d}" for d in range(4)}
    assert {(row["name"], row["labels"]["task"], row["labels"]["run"]) for row in rows} == {
        ("behave", "behave", "spawned")
    }


def test_dimensions_of_the_data_id_are_columns(pipeline, tmp_path):
    from rubinprof.lsst.quantum_region import OWN_NAMES

    run = pipeline.run("spawned", ALL_ENDS, "-j", "2")
    with rubinprof.open(run.traces) as trace:
        assert {column["key"] for column in trace._json("regions")["columns"]} <= OWN_NAMES
    found = {(row["labels"]["instrument"], row["labels"]["detector"]) for row in quantum_regions(run.traces)}
    assert found == {("Tiny", str(detector)) for detector in range(4)}
    command = [sys.executable, "-m", "rubinprof"]
    rows = csv.DictReader(io.StringIO(must_call([*command, "regions", run.traces, "--csv"], tmp_path)))
    assert {(row["label.instrument"], row["label.detector"]) for row in rows if row["label.data_id"]} == found
    must_call([*command, "export", run.traces, "--by", "region", "--format", "parquet", "-o", tmp_path / "x.parquet"], tmp_path)
    table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    assert set(zip(table["label.instrument"].to_pylist(), table["label.detector"].to_pylist(), strict=True)) - {(None, None)} == found


def test_a_dimension_that_is_called_as_something_else_has_a_prefix():
    from rubinprof.lsst.quantum_region import OWN_NAMES, dimension_labels

    mapping = {"instrument": "Tiny", "task": 7, "band": None}
    assert dimension_labels(SimpleNamespace(mapping=mapping)) == {"instrument": "Tiny", "dim_task": "7"}
    assert {*condition.FIGURES, *condition.WORDS, *QUANTA_BY, *FUNCTIONS_BY} <= OWN_NAMES


def test_the_exception_that_ended_a_quantum_is_named(pipeline):
    run = pipeline.run("one-process", ALL_ENDS)
    names = [row["labels"].get("exception") for row in quantum_regions(run.traces)]
    assert names[0] is None
    assert [name.rpartition(".")[2] for name in names[1:]] == ["NoWorkFound", "AnnotatedPartialOutputsError", "ValueError"]
    rows = [(row["exit_status"], row["exception"]) for row in quantum_regions(run.traces)]
    assert rows == list(zip(["succeeded", "succeeded", "partial", "failed"], names, strict=True))


def test_imports_of_the_task_are_seen_in_a_worker(pipeline):
    run = pipeline.run("spawned", ALL_ENDS, "-j", "2")
    table = rubinprof.open(run.trace_files()[0]).table()
    assert any(row["file"].endswith("programs/tiny.py") and row["function"].endswith("<module>") for row in table)


def test_run_qbb_traces_its_quanta(pipeline):
    graph, traces = pipeline.directory / "qbb.qg", pipeline.directory / "qbb-traces"
    directory = pipeline.directory
    options = ["-b", pipeline.repo, "-i", "inputs", "--output-run", "qbb", "-q", graph, "--qgraph-datastore-records"]
    must_call([*FRONT_END, "qgraph", *options, *pipeline.selection(["done", "failed"])], directory)
    must_call([*FRONT_END, "pre-exec-init-qbb", pipeline.repo, graph], directory)
    code, _ = call([*FRONT_END, "run-qbb", pipeline.repo, graph, "--rubinprof", traces], directory)
    assert code == 1
    assert statuses(traces) == ["done", "failed"]
    assert len(list(traces.rglob("*.rprof"))) == 1


def test_a_quantum_killed_by_the_timeout_is_unfinished(pipeline):
    for timeout in ("25", "100", "400"):  # from the worker's birth, whose imports alone take half a minute on a very busy machine
        run = pipeline.run(f"killed-{timeout}", ["sleepy"], "-j", "2", "--timeout", timeout)
        assert run.exit_code == 1
        if run.trace_files() and quantum_regions(run.traces):
            break
    assert [quantum["status"] for quantum in run.summary["quantaReports"]][0] == "timeout"
    [row] = quantum_regions(run.traces)
    assert row["unfinished"]
    assert row["labels"]["status"] == "unfinished"
    assert (row["exit_status"], row["exception"]) == ("killed", None)
    assert not rubinprof.open(run.traces).stats()["complete"]


def test_a_tracker_inside_a_task_nests(pipeline):
    run = pipeline.run("nested", ["nested"])
    [trace] = run.trace_files()
    assert "inner" in [row["name"] for row in rubinprof.open(trace).regions()]
    assert statuses(trace) == ["done", "done"]
    assert not list((pipeline.directory / "nested").glob("*.rprof"))


def test_the_environment_variable_is_the_option(pipeline, tmp_path):
    code, output = call([*FRONT_END, "run", "-b", "x"], tmp_path, RUBINPROF_PIPETASK="/proc/none")
    assert (code, output) == (2, "Error: --rubinprof cannot write to '/proc/none': No such file or directory.\n")


@pytest.mark.parametrize("command", ["run", "run-qbb"])
def test_an_unwritable_directory_is_one_sentence(command, tmp_path):
    code, output = call([*FRONT_END, command, "--rubinprof", "/proc/none", tmp_path, tmp_path], tmp_path)
    assert code == 2
    assert output == "Error: --rubinprof cannot write to '/proc/none': No such file or directory.\n"


def statuses(traces):
    """Return how the quanta ended, in the order in which they began."""
    return [row["labels"].get("status") for row in quantum_regions(traces)]
