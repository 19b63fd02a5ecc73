"""Executors that Python programs use themselves: each quantum is a region, and no other executor is changed."""

import sys

import pytest

import rubinprof
from pipeline_run import PROGRAMS, must_call, quantum_regions

pytestmark = [pytest.mark.lsst, pytest.mark.linux]


@pytest.mark.parametrize("name", ["simple", "separable", "inside"])
def test_each_quantum_of_an_executor_is_a_region(name, pipeline, tmp_path):
    traces = tmp_path / f"traces-{name}"
    must_call([sys.executable, PROGRAMS / "executors.py", name, pipeline.repo, traces], tmp_path)
    rows = quantum_regions(traces)
    assert [(row["name"], row["labels"].get("detector"), row["exit_status"]) for row in rows] == [
        ("behave", "0", "succeeded"),
        ("behave", "1", "succeeded"),
        ("collect", None, "succeeded"),
    ]
    if name == "simple":  # the other executor was not marked
        assert {row["labels"]["run"].partition("/")[0] for row in rows} == {"marked"}


def test_what_is_no_simple_executor_is_refused():
    from rubinprof.lsst import trace_simple_executor

    with pytest.raises(rubinprof.RubinprofError, match="others take a task_factory"):
        trace_simple_executor(object())
