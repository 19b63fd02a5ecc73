"""The same program under rubinprof and under the tool that people trust for a figure: memray for memory, perf for C++ functions.
(Calls against cProfile are in test_calls.py.)"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import rubinprof

pytestmark = pytest.mark.linux

ALLOCATIONS = """\
import zlib
import numpy as np

def grow(n):
    return [bytes(1000 + i) for i in range(n)]

def arrays(n):
    total = 0.0
    for i in range(n):
        a = np.arange(2000 + i, dtype=np.float64)
        total += float((a * 2.0).sum())
    return total

def packed(n):
    data = bytes(range(256)) * 64
    return [zlib.compress(data + bytes([i & 255]), 6) for i in range(n)]

def image():
    pixels = np.zeros((1500, 1500))
    pixels += 1.0
    return pixels.sum()

def text(n):
    out = ""
    for i in range(n):
        out += "x" * (600 + i % 7)
    return len(out)

def main():
    kept = grow(2000)
    return len(kept), arrays(800), len(packed(100)), image(), text(900)
"""
UNDER = {
    "memray": "import memray\ntracker = memray.Tracker('out.memray')\n",
    "rubinprof": "import rubinprof\ntracker = rubinprof.Tracker('out.rprof')\n",
}
SHARE = 0.005  # by which figures of memory may differ


def under(directory, tool):
    # A first run unwatched: what is imported and cached at the first use is then the same in both.
    source = f"import program\nprogram.main()\n{UNDER[tool]}with tracker:\n    program.main()\n"
    done = subprocess.run([sys.executable, "-c", source], cwd=directory, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_memory_is_what_memray_says(tmp_path):
    (tmp_path / "program.py").write_text(ALLOCATIONS)
    for tool in UNDER:
        under(tmp_path, tool)
    memray = [sys.executable, "-m", "memray", "stats", "--json", "-n", "20", "-o", "theirs.json", "out.memray"]
    subprocess.run(memray, cwd=tmp_path, check=True, capture_output=True)
    theirs = json.loads((tmp_path / "theirs.json").read_text())
    trace = rubinprof.open(tmp_path / "out.rprof")
    ours = trace.stats()
    assert ours["allocations"] == pytest.approx(theirs["total_num_allocations"], rel=SHARE)
    assert ours["allocated_bytes"] == pytest.approx(theirs["total_bytes_allocated"], rel=SHARE)
    assert ours["peak_bytes"] == pytest.approx(theirs["metadata"]["peak_memory"], rel=SHARE)

    lines = {(row["function"].rpartition(".")[2], Path(row["file"]).name, row["line"]): row for row in trace.table(by="line", metric="allocated") if row["kind"] == "python"}
    for key, metric in (("top_allocations_by_size", "allocated_bytes"), ("top_allocations_by_count", "allocations")):
        for location in theirs[key][:5]:
            name, file, line = location["location"].rsplit(":", 2)
            row = lines[name, Path(file).name, int(line)]
            wanted = location.get("size", location.get("count"))
            assert row[metric] == pytest.approx(wanted, rel=SHARE), location


DRAWING = """\
import sys, galsim

def main():
    for i in range(60):
        psf = galsim.Moffat(beta=2.5, fwhm=0.7)
        galaxy = galsim.Sersic(n=1 + i % 3, half_light_radius=0.8, flux=1000.0).shear(g1=0.02, g2=0.02)
        galsim.Convolve([galaxy, psf]).drawImage(nx=64, ny=64, scale=0.2)

main()
"""
POINTS = 5.0  # of a hundred, by which the share of a function may differ
PERF = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-o", "perf.data"]


def perf_works():
    if not shutil.which("perf"):
        return False
    tried = subprocess.run([*PERF[:-1], "/dev/null", "true"], capture_output=True, cwd="/tmp")
    return tried.returncode == 0


def shares_by_perf(directory):
    """Percent of all samples by symbol, inlined functions with the one they are in."""
    report = ["perf", "report", "-i", "perf.data", "--stdio", "--no-children", "--no-inline", "-F", "overhead,dso,sym", "-t", "|", "-g", "none"]
    said = subprocess.run(report, cwd=directory, check=True, capture_output=True, text=True).stdout
    shares = Counter()
    for line in said.splitlines():
        columns = [word.strip() for word in line.split("|")]
        if len(columns) == 3 and columns[0].endswith("%"):
            shares[plain(columns[2].partition("]")[2])] += float(columns[0].rstrip("%"))
    return shares


def shares_by_rubinprof(path):
    """The same of the trace's CPU time, from the tree: what is inlined counts for the function that it is part of."""
    nodes = json.loads(rubinprof.open(path).report("tree", full_names=True, depth=10_000, min_share=0.0))["nodes"]
    shares = Counter()
    whole = sum(node["self"]["cpu_s"] for node in nodes)
    for node in nodes:
        owner = node
        while owner["inlined"]:
            owner = nodes[owner["parent"]]
        if owner["kind"] == "native":
            shares[plain(owner["function"])] += 100 * node["self"]["cpu_s"] / whole
    return shares


def plain(symbol):
    """A C++ name without its arguments, which the two tools write differently."""
    return symbol.strip().replace("(anonymous namespace)", "anonymous").partition("(")[0].partition("@")[0]


@pytest.mark.skipif(not perf_works(), reason="perf record does not work here")
def test_hot_native_functions_are_those_of_perf(tmp_path):
    (tmp_path / "program.py").write_text(DRAWING)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    for _ in range(3):  # the kernel throttles perf when the machine is busy: it then sees too little of some functions
        subprocess.run([*PERF, sys.executable, "program.py"], cwd=tmp_path, check=True, env=env, capture_output=True)
        theirs = shares_by_perf(tmp_path)
        # The interpreter's own functions are Python frames in ours; the kernel is not sampled.
        galsim = [name for name, _ in theirs.most_common() if "galsim" in name][:10]
        if len(galsim) >= 8:
            break
    assert len(galsim) >= 8
    run = [sys.executable, "-m", "rubinprof", "run", "-o", "out.rprof", "program.py"]
    subprocess.run(run, cwd=tmp_path, check=True, env=env)
    ours = shares_by_rubinprof(tmp_path / "out.rprof")
    for name in galsim:
        assert ours[name] == pytest.approx(theirs[name], abs=POINTS), (name, theirs.most_common(12), ours.most_common(12))
