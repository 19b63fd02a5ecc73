"""What is cut says so: stacks of which the outer frames were not kept, and names too long to be kept whole."""

import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

CUT = "[outer frames not kept]"
BYTES = 200_000_000  # never touched; far above the mean gap of any sample

PROGRAM = f"""\
import json, sys, types
sys.setrecursionlimit(3000)
def deep(n):
    if n:
        return deep(n - 1)
    bytes({BYTES})
    return sum(range(8_000_000))
def shallow(): return sum(range(8_000_000))
deep(1500)
shallow()
json.loads("[" * 900 + '"' + "x" * 100_000 + '"' + "]" * 900)
def named(): return bytes({BYTES})
code = named.__code__.replace(co_qualname="a" * 70_000 + "end", co_filename="/" + "d/" * 40_000 + "end.py")
types.FunctionType(code, globals())()
"""


@pytest.fixture(scope="module", params=["exact", "sampled"])
def trace(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("cut")
    program, path = directory / "program.py", directory / "t.rprof"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "rubinprof", "run", "--sample-hz", "500", "--cpu", request.param, "--memory", request.param, "-o", path, program]
    subprocess.run(command, check=True, timeout=120)
    return rubinprof.open(path)


def test_python_frames_that_were_not_kept(trace):
    rows = {row["function"]: row for row in trace.table() if row["kind"] == "python"}
    if trace.stats()["mode"]["cpu"] == "exact":
        assert CUT not in rows
        assert rows["deep"]["calls"] == 1501
        return
    assert rows[CUT]["total_cpu_s"] == pytest.approx(rows["deep"]["total_cpu_s"], rel=0.05)
    assert rows[CUT]["line"] is None
    assert rows["shallow"]["total_cpu_s"] > 0.2 * rows["deep"]["total_cpu_s"]


def test_native_frames_that_were_not_kept(trace):
    if trace.stats()["mode"]["memory"] == "sampled":
        return  # small blocks of the recursion are rarely in a sample
    rows = [row for row in trace.table() if row["function"] == CUT]
    assert [row["kind"] for row in rows] == ["native"]


def test_native_walks_that_ended_early_are_counted_by_reason(trace):
    stats = trace.stats()
    walks = stats["native_walks"]
    assert set(walks) == {"no_table", "refused", "unreadable", "too_deep", "again", "again_answered"}
    assert walks["again"] >= walks["again_answered"] >= 0
    assert walks["unreadable"] == 0
    if stats["mode"]["memory"] == "exact":
        assert walks["too_deep"] > 0


def test_names_that_are_cut_end_in_an_ellipsis(trace):
    row = max((row for row in trace.table(metric="allocated") if row["function"].startswith("aaa")), key=lambda row: row["allocated_bytes"])
    assert row["function"].endswith("a…")
    assert row["file"].endswith("…")
    assert row["allocated_bytes"] > BYTES * 0.8


def test_a_function_without_a_line_has_none(trace):
    assert all(row["line"] != 0 for by in ("function", "line") for row in trace.table(by))
