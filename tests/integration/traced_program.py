"""Small programs that run with and without tracing, and what their traces say."""

import os
import subprocess
import sys
from collections import Counter

import rubinprof

PRELUDE = """\
import ctypes, gc, rubinprof, sys, threading
TRACED = sys.argv[1] == "traced"
def tracker(n=0):
    return rubinprof.Tracker(f"t{n}.rprof", sample_hz=1)
def traced(f, *args):
    if not TRACED:
        return f(*args)
    with tracker():
        return f(*args)
"""


def run(directory, source, how="traced", status=0):
    (directory / "program.py").write_text(PRELUDE + source)
    done = subprocess.run(
        [sys.executable, "program.py", how],
        cwd=directory,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def both(directory, source):
    """The output of the program, the same with and without tracing."""
    untraced = run(directory, source, "untraced")
    assert run(directory, source) == untraced
    return untraced


def calls(directory, n=0):
    counted = Counter()
    trace = rubinprof.open(directory / f"t{n}.rprof")
    for row in trace.table(by="function"):
        if row["kind"] == "python":
            counted[row["function"]] += row["calls"]
    assert trace.stats()["lost_events"] == 0
    return counted


def parents(directory, function, n=0):
    nodes = rubinprof.open(directory / f"t{n}.rprof").tree()["nodes"]
    return {nodes[node["parent"]]["function"] for node in nodes if node["function"] == function}


def exits(directory):
    """How calls ended: numbers of what was no plain return."""
    done = subprocess.run(
        [sys.executable, "-m", "rubinprof", "dump", "t0.rprof"], cwd=directory, capture_output=True, text=True, check=True
    )
    ends = Counter()
    for line in done.stdout.splitlines():
        words = line.split()
        if "EXIT" in words:
            ends[next(word for word in words if word.startswith("how="))[4:].strip("'")] += 1
    del ends["return"]
    return ends
