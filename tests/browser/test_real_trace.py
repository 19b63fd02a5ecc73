"""The page of a trace that was really made: its figures are the analyzer's own."""

import subprocess
import sys

import pytest

import rubinprof

pytestmark = [pytest.mark.browser, pytest.mark.linux]

PROGRAM = """
import json, threading

class Task:
    def run(self, n):
        return [self.step(i) for i in range(n)]

    def step(self, i):
        return json.loads(json.dumps({str(k): [k] * 10 for k in range(200)}))

def depth(n):
    return [] if n == 0 else [depth(n - 1)]

kept = [bytearray(1 << 20)]
Task().run(60)
depth(40)
worker = threading.Thread(target=Task().run, args=(20,))
worker.start()
worker.join()
"""

COLUMNS = {"cpu": "self_cpu_s", "wall": "self_wall_s"}


@pytest.fixture(scope="module")
def trace_path(tmp_path_factory):
    directory = tmp_path_factory.mktemp("trace")
    (directory / "program.py").write_text(PROGRAM)
    path = directory / "program.rprof"
    command = [sys.executable, "-m", "rubinprof", "run", "-o", str(path), str(directory / "program.py")]
    subprocess.run(command, check=True, timeout=120)
    return path


@pytest.fixture
def tab(trace_path, open_path, tmp_path):
    page = tmp_path / "program.html"
    command = [sys.executable, "-m", "rubinprof", "flamegraph", str(trace_path), "-o", str(page)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout == f"{page}\n"
    return open_path(page)


@pytest.mark.parametrize("metric", ["cpu", "wall"])
def test_inverted_figures_are_the_table(tab, trace_path, metric):
    key = COLUMNS[metric]
    with rubinprof.open(trace_path) as trace:
        rows = trace.table(metric=metric)
    expected = sorted(round(row[key] * 1e9) for row in rows if row[key] > 0 and row["function"] != "[all]")
    tab.page.select_option("#rp-metric", metric)
    tab.page.click("#rp-inverted")
    found = sorted(box["value"] for box in tab.boxes() if box["depth"] == 1)
    assert found == expected


def test_totals_of_every_metric(tab, trace_path):
    with rubinprof.open(trace_path) as trace:
        stats = trace.stats()
    assert tab.evaluate("p.tree.total('calls')[0]") == stats["calls"]
    assert tab.evaluate("p.tree.total('allocations')[0]") == stats["allocations"]
    assert tab.evaluate("p.tree.total('allocated')[0]") == stats["allocated_bytes"]
    assert tab.evaluate("p.tree.total('peak')[0]") == stats["peak_bytes"]
    assert tab.evaluate("p.tree.total('leaked')[0]") == stats["leaked_bytes"]


def test_recursion_and_native_frames_are_there(tab):
    boxes = tab.boxes()
    assert sum(box["name"] == "depth" for box in boxes) == 41
    kinds = tab.evaluate("[...new Set([...p.layout.frame].filter((f) => f >= 0).map((f) => p.frames.kind[f]))].sort()")
    assert kinds[:2] == [0, 1]
    step = next(box for box in boxes if box["name"] == "Task.step")
    tab.evaluate("p.zoomTo(arg)", step["i"])
    assert tab.evaluate("p.layout.frame[p.view.zoom]") == step["frame"]
