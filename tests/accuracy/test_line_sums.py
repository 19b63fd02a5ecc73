"""The lines of a function add up to the function, in every figure; what no sample tells of has no line."""

import collections

import pytest

pytestmark = pytest.mark.linux

SETUP = """\
import sys, threading, time
import timed_cpp
sys.setrecursionlimit(10000)

def recursion(depth):
    total = sum(range(2000))
    if depth:
        total += recursion(depth - 1)
    return total

def leaf(n):
    kept = bytearray(n)
    kept += bytes(n)
    return kept

def many_callers(kept):
    kept.append(leaf(10_000)); kept.append(leaf(10_000)); kept.append(leaf(20_000))
    for n in range(200):
        leaf(n)

def waits():
    time.sleep(0.05)
    timed_cpp.spin(0.05)

def one_line(n): return sum(i * i for i in range(n))

def on_threads():
    threads = [threading.Thread(target=one_line, args=(30_000,)) for _ in range(3)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""
SOURCE = """\
kept = []
for _ in range(10): recursion(200)
many_callers(kept)
waits()
on_threads()
"""
SECONDS = ["self_cpu_s", "self_wall_s", "self_gil_wait_s"]
COUNTS = ["calls", "allocations", "allocated_bytes", "peak_bytes", "leaked_bytes", "temporary_bytes", "temporary_allocations"]
MODES = {
    "exact": {},
    "without native frames": {"native": False},
    "pymalloc": {"pymalloc": True},
    "sampled": {"cpu": "sampled", "memory": "sampled", "sample_hz": 1000},
    "sampled memory": {"memory": "sampled"},
}


@pytest.fixture(scope="module", params=MODES, ids=[name.replace(" ", "-") for name in MODES])
def traced(request, run_traced):
    return run_traced(SOURCE, setup=SETUP, **MODES[request.param])


def key_of(row):
    where = (row["file"], row["def_line"] if "def_line" in row else row["line"]) if row["kind"] == "python" else row["module"]
    return row["kind"], row["function"], where


def sums(rows, keys):
    found = collections.defaultdict(collections.Counter)
    for row in rows:
        found[key_of(row)].update({key: row[key] or 0 for key in keys})
    return found


def test_the_lines_of_a_function_add_up_to_it(traced):
    functions, lines = traced.trace.table("function"), traced.trace.table("line")
    by_line, by_function = sums(lines, SECONDS + COUNTS), sums(functions, SECONDS + COUNTS)
    assert None in {row["line"] for row in lines}
    unknown_wall = {key_of(row) for row in lines if row["self_wall_s"] is None}
    for key, row in by_function.items():
        if key[1] in ("[all]", "[outside Python]"):
            continue  # what threads do there has no lines
        for name in COUNTS:
            assert by_line[key][name] == row[name], (key, name)
        for name in SECONDS:
            if name != "self_wall_s" or key not in unknown_wall:
                assert by_line[key][name] == pytest.approx(row[name], abs=1e-9 * (len(lines) + 2)), (key, name)


def test_a_line_has_no_more_wall_time_than_its_function(traced):
    for part in ("self_wall_s", "total_wall_s"):
        of_function = sums(traced.trace.table("function"), [part])  # native functions of one name are one here
        for row in traced.trace.table("line"):
            assert (row[part] or 0) <= of_function[key_of(row)][part] + 1e-8, (part, row)
    for row in traced.trace.table("line"):
        assert (row["total_cpu_s"] or 0) >= (row["self_cpu_s"] or 0), row


def test_a_call_without_a_sample_has_the_lines_of_its_function(run_traced):
    traced = run_traced("for _ in range(20): recursion(400)\n", setup=SETUP)
    rows = {row["line"]: row for row in traced.trace.lines() if row["function"] == "recursion"}
    whole = sum(row["own_cpu_s"] for row in rows.values())
    begin = next(iter(rows.values()))["def_line"]
    assert rows[begin + 1]["own_cpu_s"] > 0.8 * whole, rows
    assert rows[begin]["own_cpu_s"] < 0.1 * whole
    assert rows.get(None, {"own_cpu_s": 0})["own_cpu_s"] < 0.1 * whole


def test_what_was_waited_has_no_line_unless_the_function_is_one(run_traced):
    traced = run_traced("waits(); naps()", setup=SETUP + "def naps(): time.sleep(0.05)\n")
    rows = {(row["function"], row["line"]): row for row in traced.trace.table("line")}
    assert rows["waits", None]["self_wall_s"] >= 0.04
    own = [row for (name, line), row in rows.items() if name == "waits" and line is not None]
    assert own and {row["self_wall_s"] for row in own} == {None}  # each of them could have waited
    nap = next(row for (name, line), row in rows.items() if name == "naps")
    assert nap["line"] == nap["def_line"] and nap["self_wall_s"] >= 0.04
    assert ("naps", None) not in rows
