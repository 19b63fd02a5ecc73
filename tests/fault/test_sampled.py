"""Sampled mode where processes die, fork, and switch stacks under the sampler.

A block of 8 MiB is 128 times the mean distance of samples: it is sampled for certain, so such blocks can be counted.
"""

import os
import signal
import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

BLOCK = 8 << 20

PROGRAM = f"""
import os, signal, sys, time, rubinprof

too_long = 0.0  # a machine that takes the CPU away in the middle of a turn makes it a long one, on the CPU's clock too

def busy(seconds):
    global too_long
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    too_long += time.thread_time() - end

def spin(seconds):
    busy(seconds)

# What follows a sample goes to the next one, and what follows the last to that: neither is to be spin's.
def settle():
    busy(0.03)

def tell():
    with open(f"too_long-{{os.getpid()}}", "w") as file:
        file.write(str(too_long))

def keep(count):
    return [bytearray({BLOCK}) for _ in range(count)]

tracker = rubinprof.Tracker("x.rprof", cpu="sampled", memory="sampled", sample_hz=int(sys.argv[1]))
tracker.start()
"""


def run(program, cwd, sample_hz=1000):
    """By perf, where it is allowed: on a busy machine the kernel's tick finds other threads, and timers fall silent (docs/clocks.md)."""
    done = subprocess.run([sys.executable, "-c", PROGRAM + program, str(sample_hz)], cwd=cwd, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def check(path, blocks, seconds, complete=True):
    """A trace in which keep() made so many blocks, and spin() took so long, or as much longer as the program told."""
    with rubinprof.open(path) as trace:
        stats = trace.stats()
        rows = {row["function"]: row for row in trace.table(by="function")}
    assert stats["mode"]["cpu"] == stats["mode"]["memory"] == "sampled"
    assert stats["lost_events"] == 0 and stats["complete"] == complete
    assert rows["keep"]["total_allocations"] == pytest.approx(blocks, abs=1)
    assert rows["keep"]["total_leaked_bytes"] == pytest.approx(blocks * BLOCK, rel=0.1)
    too_long = float((path.parent / f"too_long-{stats['meta']['pid']}").read_text())
    assert abs(rows["spin"]["total_cpu_s"] - seconds) < too_long + max(2 * rows["spin"]["total_cpu_s_error"], 0.1 * seconds)


def test_sigkill_loses_no_sample(tmp_path):
    code, errors = run("kept = keep(23)\nsettle()\nspin(0.2)\nmore = keep(1)\nsettle()\ntell()\nos.kill(os.getpid(), signal.SIGKILL)\n", tmp_path)
    assert code == -signal.SIGKILL, errors
    check(tmp_path / "x.rprof", 24, 0.2, complete=False)


def test_a_forked_child_is_sampled_into_its_own_trace(tmp_path):
    program = """
kept = keep(5)
pid = os.fork()
if pid == 0:
    more = keep(11)
    settle()
    spin(0.1)
    settle()
    tell()
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
settle()
spin(0.2)
settle()
tell()
tracker.stop()
"""
    assert run(program, tmp_path) == (0, "")
    [child] = {path.name for path in tmp_path.glob("*.rprof")} - {"x.rprof"}
    check(tmp_path / "x.rprof", 5, 0.2)
    check(tmp_path / child, 11, 0.1)


def test_stacks_of_greenlets_are_their_own(tmp_path):
    pytest.importorskip("greenlet")
    program = """
import greenlet

def left_leaf(): spin(0.002)
def right_leaf(): spin(0.002)

def descend(depth, leaf):
    if depth:
        return descend(depth - 1, leaf)
    for _ in range(40):
        leaf()
        keep(1)
        other[greenlet.getcurrent()].switch()

def left(): descend(5, left_leaf)
def right(): descend(50, right_leaf)

a, b = greenlet.greenlet(left), greenlet.greenlet(right)
other = {a: b, b: a}
a.switch()
tracker.stop()
"""
    assert run(program, tmp_path) == (0, "")
    with rubinprof.open(tmp_path / "x.rprof") as trace:
        assert trace.stats()["complete"] and trace.stats()["lost_events"] == 0
        rows = {row["function"]: row for row in trace.table(by="function")}
        nodes = trace.tree()["nodes"]
    for side in ("left", "right"):
        assert rows[side]["total_allocated_bytes"] == pytest.approx(40 * BLOCK, rel=0.05)  # and what greenlets take to keep their stacks
        assert rows[f"{side}_leaf"]["total_cpu_s"] > 0
    stacks = [stack_of(nodes, i) for i, node in enumerate(nodes) if node["function"] in ("left_leaf", "right_leaf")]
    assert {tuple(sorted({"left", "right"} & set(stack))) for stack in stacks} == {("left",), ("right",)}
    assert all(stack[-1].removesuffix("_leaf") in stack for stack in stacks)


def stack_of(nodes, i):
    names = []
    while i >= 0:
        names.append(nodes[i]["function"])
        i = nodes[i]["parent"]
    return names[::-1]


def test_the_tools_own_threads_are_not_sampled(tmp_path):
    if not os.path.exists("/proc/self/timers"):
        pytest.skip("this kernel does not tell whose timers there are")
    code, errors = run(
        """
owners = [line.split("tid.")[1] for line in open("/proc/self/timers").read().split("\\n") if "/tid." in line]
tools = [tid for tid in os.listdir("/proc/self/task") if open(f"/proc/self/task/{tid}/comm").read() == "rubinprof-tool\\n"]
assert str(os.getpid()) in owners and tools, (owners, tools)
assert not set(owners) & set(tools), (owners, tools)
tracker.stop()
""",
        tmp_path,
        sample_hz=40,
    )
    assert code == 0, errors
