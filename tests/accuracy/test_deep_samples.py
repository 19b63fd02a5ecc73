"""Sampled stacks that share their outer part with the one before, and leave it at any depth, lie where they were taken."""

import subprocess
import sys
from collections import Counter

import pytest

import rubinprof

pytestmark = pytest.mark.linux

PROGRAM = """
import sys
import rubinprof

BLOCK = 4 << 20  # sampled for certain
kept = []

def even(n):
    return odd(n - 1) if n else hold()

def odd(n):
    return even(n - 1) if n else hold()

def other(n):
    return other(n - 1) if n else hold()

def hold():
    kept.append(bytearray(BLOCK))
    kept.pop()

def outer(n):
    if n:
        return outer(n - 1)
    for depth in (0, 1, 7, 6, 250, 249, 40, 0, 300):
        even(depth)
        other(depth)
        other(depth)

with rubinprof.Tracker(sys.argv[1], cpu="sampled", memory="sampled", native=False):
    for depth in (3, 200, 2, 200):
        outer(depth)
"""


def test_samples_lie_at_the_depth_at_which_they_were_taken(tmp_path):
    path = tmp_path / "t.rprof"
    subprocess.run([sys.executable, "-c", PROGRAM, path], check=True)
    with rubinprof.open(path) as trace:
        nodes = trace.tree()["nodes"]
    found = Counter()
    for node in nodes:
        if node["function"] != "hold" or not node["self"]["allocated_bytes"]:
            continue
        above, at = Counter(), node["parent"]
        while at is not None and at >= 0:
            above[nodes[at]["function"]] += 1
            at = nodes[at]["parent"] if nodes[at]["parent"] != at else None
        found[above["outer"] - 1, above["even"] + above["odd"] - 1, above["other"] - 1] += round(node["self"]["allocated_bytes"] / (4 << 20))
    expected = Counter()
    for outer in (3, 200, 2, 200):
        for depth in (0, 1, 7, 6, 250, 249, 40, 0, 300):
            expected[outer, depth, -1] += 1
            expected[outer, -1, depth] += 2
    assert found == expected
