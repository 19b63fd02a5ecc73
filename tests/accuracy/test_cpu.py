"""Seconds of programs whose time is known: on the CPU, asleep, waiting for a lock or for the GIL, in Python and in C++."""

import os
import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

SETUP = """\
import os, threading, time
import timed_cpp

def spins():
    return timed_cpp.spin(0.3)

def sleeps():
    time.sleep(0.3)

def sleeps_native():
    timed_cpp.sleep_native(0.3)

def waits_for_a_lock():
    timed_cpp.lock_wait(0.3)

def waits_for_a_python_lock():
    lock = threading.Lock()
    lock.acquire()
    threading.Timer(0.3, lock.release).start()
    lock.acquire()

def waits_for_a_pipe():
    read, write = os.pipe()
    threading.Timer(0.3, os.write, (write, b"x")).start()
    os.read(read, 1)

def shares():
    return timed_cpp.share(1.0)

def counts(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

def fights():
    threads = [threading.Thread(target=counts, args=(0.3,)) for _ in range(2)]
    [t.start() for t in threads]
    [t.join() for t in threads]

def beside_a_spinner():
    sibling = threading.Thread(target=timed_cpp.spin_unlocked, args=(0.5,))
    sibling.start()
    sleeps()
    sibling.join()
"""


@pytest.fixture(scope="module")
def off_and_on(run_traced):
    """One run in which each function is called once and takes 0.3 s of something."""
    return run_traced("spins()\nsleeps()\nsleeps_native()\nwaits_for_a_lock()\nwaits_for_a_python_lock()\nwaits_for_a_pipe()", setup=SETUP)


def test_spinning_is_cpu(off_and_on):
    row = off_and_on.row("spins")
    assert row["total_cpu_s"] == pytest.approx(0.3, rel=0.05)
    assert row["total_wall_s"] >= 0.29  # the tool's own cost is taken out


@pytest.mark.parametrize("function", ["sleeps", "sleeps_native", "waits_for_a_lock", "waits_for_a_python_lock", "waits_for_a_pipe"])
def test_waiting_is_not_cpu(off_and_on, function):
    row = off_and_on.row(function)
    assert row["total_wall_s"] >= 0.29
    assert row["total_cpu_s"] < 0.02


def test_waiting_for_a_lock_is_not_waiting_for_the_gil(off_and_on):
    assert off_and_on.stats["gil_wait_s"] < 0.02


def test_the_sum_over_the_tree_is_the_cpu_time_of_the_threads(off_and_on):
    rows = off_and_on.trace.table(by="function")
    assert sum(row["self_cpu_s"] for row in rows) == pytest.approx(off_and_on.stats["cpu_s"], rel=0.01)


def test_a_function_with_70_percent_of_the_cpu_shows_70_percent(run_traced):
    traced = run_traced("print(shares(), timed_cpp.share_of_heavy())", setup=SETUP, sample_hz=1000)
    seconds, share = map(float, traced.output.split())
    caller = traced.row("shares")
    heavy, light = traced.row("timed::heavy"), traced.row("timed::light")
    # The program's clock has the cost of the samples in it, which a busy machine makes dear; the trace takes it out.
    assert 0.95 * seconds - traced.stats["overhead_s"] < caller["total_cpu_s"] < 1.05 * seconds
    room = 5 * (share * (1 - share) / traced.stats["samples"]) ** 0.5  # 0.07 with all 1,000 samples
    assert heavy["total_cpu_s"] / caller["total_cpu_s"] == pytest.approx(share, abs=room)
    assert light["total_cpu_s"] / caller["total_cpu_s"] == pytest.approx(1 - share, abs=room)


def test_the_70_percent_hang_below_the_line_that_called(run_traced):
    traced = run_traced("shares()\nprint(timed_cpp.share_of_heavy())", setup=SETUP, sample_hz=1000)
    nodes = traced.trace.tree()["nodes"]
    (heavy,) = [n for n in nodes if n["function"].startswith("timed::heavy(")]
    chain = [heavy]
    while chain[-1]["parent"] >= 0:
        chain.append(nodes[chain[-1]["parent"]])
    assert [n["function"].partition("(")[0] for n in chain[:3]] == ["timed::heavy", "timed::share", "shares"]
    assert heavy["total"]["cpu_s"] / chain[2]["total"]["cpu_s"] == pytest.approx(float(traced.output), abs=0.05)
    assert heavy["file"].endswith("timed_cpp.cpp")

    caller = next(n + 1 for n, line in enumerate(SETUP.splitlines()) if "timed_cpp.share" in line)
    lines = [row for row in traced.trace.table(by="line") if row["function"] == "shares"]
    (line,) = [row for row in lines if row["total_cpu_s"] > 0.5]
    assert line["line"] == caller + 2  # of the program that run_traced made of it


def test_native_stacks_end_at_a_function_that_ran_before_the_start(run_traced):
    traced = run_traced("timed_cpp.share(0.2)", setup="import timed_cpp", sample_hz=1000)
    nodes = traced.trace.tree()["nodes"]
    below = {n["function"].partition("(")[0] for n in nodes if n["parent"] >= 0 and nodes[n["parent"]]["function"] == "<module>"}
    assert "timed::share" in below and "_start" not in below


def test_a_spinning_sibling_does_not_land_on_a_sleeper(run_traced):
    traced = run_traced("beside_a_spinner()", setup=SETUP)
    assert traced.row("sleeps")["total_cpu_s"] < 0.02
    assert traced.row("timed::spin")["total_cpu_s"] == pytest.approx(0.5, rel=0.1)


def test_waiting_for_the_gil_is_told_apart(run_traced):
    traced = run_traced("fights()", setup=SETUP)
    counting = traced.row("counts")
    assert counting["total_cpu_s"] == pytest.approx(0.6, rel=0.1)
    # Two threads that want 0.3 s of the GIL each: while one runs the other waits. On a busy machine it waits for longer, and
    # the one that has the GIL waits for a CPU. The thread that starts and joins them waits for the GIL too.
    starting = traced.row("fights")
    off_cpu = sum(row["total_wall_s"] - row["total_cpu_s"] for row in (counting, starting))
    assert 0.25 < traced.stats["gil_wait_s"] < off_cpu + 0.02


def test_samples_come_at_the_rate_asked_for(run_traced):
    traced = run_traced("spins()\nspins()\nspins()", setup=SETUP, sample_hz=500)
    if traced.stats["meta"]["sample.source"] != "perf":
        pytest.skip("without perf the kernel's tick decides")
    assert traced.stats["samples"] == pytest.approx(500 * 0.9, rel=0.2)


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_without_native_no_sample_has_a_c_function(run_traced, mode):
    program = run_traced("for i in range(40): sum(range(200_000))", cpu=mode, memory=mode, native=False)
    assert program.stats["samples"] > 0
    assert {row["kind"] for row in program.trace.table(by="function")} == {"python"}


@pytest.mark.skipif(not getattr(getattr(sys, "_jit", None), "is_available", bool)(), reason="this CPython has no JIT")
@pytest.mark.parametrize("how", ["exact", "sampled"])
def test_what_the_jit_made_is_the_function_itself(tmp_path, how):
    """Code of the JIT lies in no library: its time was that of an unknown native function."""
    (tmp_path / "program.py").write_text("def hot(n):\n    total = 0\n    for i in range(n):\n        total += i & 7\n    return total\nhot(60_000_000)\n")
    command = [sys.executable, "-m", "rubinprof", "run", "--cpu", how, "--memory", how, "-o", "t.rprof", "program.py"]
    subprocess.run(command, cwd=tmp_path, check=True, env={**os.environ, "PYTHON_JIT": "1"})
    with rubinprof.open(tmp_path / "t.rprof") as trace:
        cpu = {row["function"]: row["self_cpu_s"] for row in trace.table(by="function")}
    assert cpu["hot"] > 0.2 * sum(cpu.values())  # with half of it, and 40 samples; the rest is in functions of int
    assert cpu.get("[unknown native code]", 0.0) < 0.1 * sum(cpu.values())
