"""The disk hangs for longer than a thread waits, and memory for events runs out: samples, regions and CPU time are told on, the rest is counted.
Or its writes fail for a while: what was written before and after is read, what fell in between is counted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rubinprof

pytestmark = pytest.mark.linux

SHIM = Path(__file__).with_name("faulty_disk.c")
STEPS = 3
ALPHA_S, BETA_S = 0.3, 0.1  # of CPU time

PROGRAM = f"""
import os, time, rubinprof

leaves = 0

def leaf():
    global leaves
    leaves += 1

def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        for _ in range(50):
            leaf()

def alpha():
    spin({ALPHA_S})

def beta():
    spin({BETA_S})

with rubinprof.Tracker("x.rprof", max_memory_bytes=MEMORY):
    spin(0.05)
    rubinprof.sync()
    open("hang", "w").close()
    for i in range({STEPS}):
        with rubinprof.region("step", i=i):
            alpha()
            beta()
    os.unlink("hang")
    rubinprof.sync()
    spin(0.05)
    stalled = rubinprof._capture.status()["stall_ns"]
print(leaves, stalled)
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "faulty_disk.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SHIM], check=True)
    return library


def trace_of_a_hang(directory, shim, memory):
    env = {**os.environ, "LD_PRELOAD": str(shim), "RUBINPROF_NO_URING": "1"}
    program = PROGRAM.replace("MEMORY", str(memory))
    done = subprocess.run([sys.executable, "-c", program], cwd=directory, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    trace = rubinprof.open(directory / "x.rprof")
    figures, rows = trace.stats(), {row["function"]: row for row in trace.table()}
    leaves, stall_ns = map(int, done.stdout.split())
    assert figures["stall_s"] == pytest.approx(stall_ns / 1e9, abs=1e-6) and stall_ns > 0
    assert figures["complete"] and figures["lost_blocks"] == 0
    # lost_calls has a few of other functions too.
    assert leaves <= rows["leaf"]["calls"] + figures["lost_calls"] <= leaves + 1000
    assert figures["lost_calls"] > leaves / 4
    return trace, figures, rows


def test_samples_stand_for_calls_while_the_disk_hangs(tmp_path, shim):
    trace, figures, rows = trace_of_a_hang(tmp_path, shim, 4 << 20)
    assert figures["by_samples_s"] > 0
    assert 0 < figures["by_samples_from_s"] < figures["wall_s"]
    # Where the time went is known about as well as samples tell, though the calls are not.
    for name, seconds in (("alpha", ALPHA_S), ("beta", BETA_S)):
        assert rows[name]["total_cpu_s"] == pytest.approx(STEPS * seconds, abs=0.1 * STEPS * (ALPHA_S + BETA_S)), name
    assert "[events lost]" not in rows or rows["[events lost]"]["self_cpu_s"] < 0.05 * figures["cpu_s"]
    # Regions are exact, and so is their CPU time.
    regions = trace.regions()
    assert [region["labels"]["i"] for region in regions] == [str(i) for i in range(STEPS)]
    for region in regions:
        assert not region["unfinished"]
        assert region["cpu_s"] == pytest.approx(ALPHA_S + BETA_S, rel=0.1)


def test_without_a_reserve_the_time_is_of_what_was_lost(tmp_path, shim):
    _, figures, rows = trace_of_a_hang(tmp_path, shim, 1 << 20)  # four buffers
    assert figures["by_samples_s"] == 0
    # Nothing of it is laid to what ran when the last buffer was full.
    assert rows["[events lost]"]["self_cpu_s"] > 0.7 * STEPS * (ALPHA_S + BETA_S)
    assert rows["alpha"]["total_cpu_s"] < 0.3 * STEPS * ALPHA_S


BROKEN = """
import os, random, sys, rubinprof
chance = random.Random(1)

def work(n):
    for _ in range(n):
        bytes(chance.randrange(600, 60000))

def early(): work(1000)
def meanwhile(): work(60000)
def late(): work(1000)

with rubinprof.Tracker("x.rprof", max_memory_bytes=1 << 20):
    early()
    rubinprof.sync()
    open("broken", "w").close()
    meanwhile()
    rubinprof.sync()
    os.unlink("broken")
    late()
print("unharmed")
"""


def test_writes_that_fail_for_a_while(tmp_path, shim):
    env = {**os.environ, "LD_PRELOAD": str(shim), "RUBINPROF_NO_URING": "1"}
    done = subprocess.run([sys.executable, "-c", BROKEN], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "unharmed\n"), done.stderr
    assert "RuntimeWarning" in done.stderr and "not all of the trace could be written (Input/output error)" in done.stderr  # though its end was
    trace = rubinprof.open(tmp_path / "x.rprof")
    figures, rows = trace.stats(), {row["function"]: row for row in trace.table()}
    assert figures["lost_blocks"] > 0 and figures["lost_allocations"] > 1000
    assert figures["lost_events"] >= figures["lost_allocations"] + figures["lost_frees"] + figures["lost_calls"]
    for name in ("early", "late"):  # and they have their names
        assert rows[name]["calls"] == 1
        assert rows[name]["total_allocations"] >= 1000
    # Every block that is there and every one that is not is known.
    assert figures["allocations"] + figures["lost_allocations"] >= 62000
    text = subprocess.run([sys.executable, "-m", "rubinprof", "stats", "x.rprof"], cwd=tmp_path, capture_output=True, text=True).stdout
    assert text.startswith("Lost  ") and "missing" in text
    assert {"gaps", "missing_blocks"} <= trace.verify()["files"][0].keys()


KILLED = """
import os, sys, time, rubinprof

def leaf(): pass

rubinprof.Tracker("x.rprof", max_memory_bytes=4 << 20).start()
open("hang", "w").close()
for i in range(1000):
    with rubinprof.region("step", i=i):
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            for _ in range(50): leaf()
    os.write(1, b"%d\\n" % i)
"""


def test_a_kill_while_the_disk_hangs(tmp_path, shim):
    env = {**os.environ, "LD_PRELOAD": str(shim), "RUBINPROF_NO_URING": "1"}
    process = subprocess.Popen([sys.executable, "-c", KILLED], cwd=tmp_path, env=env, stdout=subprocess.PIPE)
    steps = 0
    while steps < 10:
        steps = 1 + int(process.stdout.readline())
    process.kill()
    process.communicate()
    with rubinprof.open(tmp_path / "x.rprof") as trace:
        ended = [region["labels"]["i"] for region in trace.regions() if not region["unfinished"]]
        figures = trace.stats()
    assert not figures["complete"]
    assert ended[:steps] == [str(i) for i in range(steps)]
