"""Time in CPython's garbage collector is a frame of its own below the line that set it off, whoever did, in every version, exact and sampled."""

import pytest

pytestmark = pytest.mark.linux

SETUP = """\
import gc, time
gc.disable()

class Node:
    pass

def makes(n):
    nodes = [Node() for _ in range(n)]
    for node in nodes:
        node.me = node
    return nodes

def asks_for():
    spent = 0
    while spent < 0.5:
        begin = time.thread_time()
        gc.collect()
        spent += time.thread_time() - begin
    return spent

kept = makes(50_000)
"""

# The collector at work when a program makes objects: its own clock is beside, as gc.callbacks tell it.
SET_OFF = """\
spent = began = 0

def told(phase, info):
    global spent, began
    if phase == "start":
        began = time.thread_time()
    else:
        spent += time.thread_time() - began

def sets_off():
    gc.enable()
    while spent < 0.5:
        for _ in range(1000):
            cycle = []
            cycle.append(cycle)
    gc.disable()
    return spent

gc.callbacks.append(told)
"""


@pytest.mark.parametrize("mode", ["exact", "sampled"])
@pytest.mark.parametrize("function", ["asks_for", "sets_off"])
def test_half_a_second_of_collections_is_half_a_second_of_the_collector(run_traced, mode, function):
    traced = run_traced(f"print({function}())", setup=SETUP + SET_OFF, cpu=mode, memory="off", sample_hz=1000)
    spent = float(traced.output)
    row = traced.row("[garbage collector]")
    assert row["kind"] == "native" and row["file"] in ("", None)
    # 500 samples: 5 standard errors are a fifth. What gc.callbacks and clocks cost lies between the two clocks.
    assert row["total_cpu_s"] == pytest.approx(spent, rel=0.2)
    nodes = traced.trace.tree()["nodes"]
    for node in nodes:
        if node["function"] == "[garbage collector]" and node["total"]["cpu_s"] > 0.1:
            while node["kind"] != "python":
                node = nodes[node["parent"]]
            assert node["function"] == function
