"""rubinprof dump PID: where the threads of a traced process are, and where those of a killed one were."""

import json
import os
import subprocess
import sys
import time

import pytest
from patience import PATIENCE_S, wait_for

pytestmark = pytest.mark.linux

# Three ways to hang in C: a lock, a sort, and a sleep after some work that samples see.
PROGRAM = """
import sys, threading, time
import numpy

def waits(lock):
    with lock:
        pass

def sorts(numbers):
    while True:
        numpy.sort(numbers)

def sleeps():
    end = time.thread_time() + 0.3
    while time.thread_time() < end:
        pass
    print("ready", flush=True)
    time.sleep(600)

def outer():
    sleeps()

lock = threading.Lock()
lock.acquire()
numbers = numpy.random.default_rng(1).random(200_000)
threading.Thread(target=waits, args=(lock,), daemon=True, name="waiter").start()
threading.Thread(target=sorts, args=(numbers,), daemon=True, name="sorter").start()
outer()
"""
LINES = PROGRAM.splitlines()


def dump(*words):
    return subprocess.run([sys.executable, "-m", "rubinprof", "dump", *map(str, words)], capture_output=True, text=True, timeout=PATIENCE_S)


def stacks_of(*words):
    done = dump(*words, "--json")
    assert done.returncode == 0, done.stderr
    return {stack["thread"]: stack for stack in json.loads(done.stdout)["stacks"]}


def python_of(stack):
    return [frame["function"] for frame in stack["frames"] if frame["kind"] == "python"]


@pytest.fixture(params=["exact", "sampled"])
def hanging(request, tmp_path):
    program, trace = tmp_path / "hangs.py", tmp_path / "hangs.rprof"
    program.write_text(PROGRAM)
    words = [sys.executable, "-m", "rubinprof", "run", "-q", "--cpu", request.param, "--memory", request.param, "-o", str(trace), str(program)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.trace, process.mode = trace, request.param
    yield process
    process.kill()
    process.wait(PATIENCE_S)
    process.stdout.close()


def test_each_thread_of_a_process_that_hangs_is_found_in_its_function_and_after_a_kill(hanging):
    def seen():
        stacks = stacks_of(hanging.pid)
        native = [frame for frame in stacks["sorter"]["frames"] if frame["kind"] == "native"]
        return stacks if native and stacks["MainThread"]["frames"] else None

    stacks = wait_for(seen)
    main, sorter, waiter = (stacks[name] for name in ("MainThread", "sorter", "waiter"))
    assert python_of(main) == ["<module>", "outer", "sleeps"]
    assert [frame["at_line"] for frame in main["frames"][:2]] == [LINES.index("outer()") + 1, LINES.index("    sleeps()") + 1]
    assert "sorts" in python_of(sorter) and any("umath" in frame["module"] for frame in sorter["frames"])
    if hanging.mode == "exact":
        assert python_of(waiter)[-1] == "waits"
        entered = [frame["entered_unix_s"] for frame in main["frames"] if frame["kind"] == "python"]
        assert entered == sorted(entered) and entered[-1] < time.time() - 0.3
        assert waiter["frames"][-1]["at_line"] is None  # no sample: it never ran there
    else:
        assert main["sampled_unix_s"] < time.time() and waiter["frames"] == []

    text = dump(hanging.pid).stdout
    assert ("no sample since the innermost call" if hanging.mode == "exact" else "no sample yet") in text

    hanging.kill()
    hanging.wait(PATIENCE_S)
    assert python_of(stacks_of(hanging.trace, "--stacks")["MainThread"]) == ["<module>", "outer", "sleeps"]
    done = dump(hanging.pid)
    assert done.returncode == 2 and "no process" in done.stderr


def test_a_process_without_a_trace_is_refused_in_one_sentence():
    with subprocess.Popen([sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"], stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            done = dump(process.pid)
        finally:
            process.kill()
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "writes no trace" in done.stderr


def test_a_child_that_is_not_traced_is_not_taken_for_its_parent(tmp_path):
    program = tmp_path / "forks.py"
    program.write_text("import os, time\npid = os.fork()\nif pid:\n    print(pid, flush=True)\ntime.sleep(600)\n")
    words = [sys.executable, "-m", "rubinprof", "run", "-q", "--no-follow-fork", "-o", str(tmp_path / "t.rprof"), str(program)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        try:
            done = dump(child)
        finally:
            os.kill(child, 9)
            process.kill()
    assert done.returncode == 2 and done.stderr.count("\n") == 1
