"""What grows with the program must not grow in the process: code objects, live blocks. A tenth or less of what docs/losses.md tells of, so that it
takes seconds."""

import json
import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

MIB = 1 << 20

# Traced or not: how many bytes of memory the work has added that stay, apart from the pages of the trace file.
PROGRAM = """
import json, sys
def resident():
    return sum(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith(("RssAnon", "RssShmem")))
WORK
if sys.argv[1] == "traced":
    import rubinprof
    tracker = rubinprof.Tracker("x.rprof", NATIVE).start()
work(200)
before = resident()
work(N)
print(json.dumps(resident() - before))
if sys.argv[1] == "traced":
    tracker.stop()
"""

CODE = """
def work(n):
    for i in range(n):
        names = {}
        exec(f"def made_{i}(): return {i}", names)
        assert names[f"made_{i}"]() == i
"""

BLOCKS = """
kept = []
def work(n):
    for i in range(n):
        kept.append(bytes(600))
"""


def grown(work, n, how, cwd, options=""):
    program = PROGRAM.replace("WORK", work).replace("NATIVE", options).replace("N)", f"{n})")
    done = subprocess.run([sys.executable, "-c", program, how], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_code_objects(tmp_path):
    n = 10_000
    more = grown(CODE, n, "traced", tmp_path) - grown(CODE, n, "plain", tmp_path)
    assert more < 4 * MIB
    with rubinprof.open(tmp_path / "x.rprof") as trace:
        assert trace.stats()["lost_events"] == 0 and not trace.stats()["not_seen"]
        calls = {row["function"]: row["calls"] for row in trace.table()}
    assert all(calls[f"made_{i}"] == (2 if i < 200 else 1) for i in range(n))


def test_live_blocks(tmp_path):
    n = 300_000
    more = grown(BLOCKS, n, "traced", tmp_path, "native=True") - grown(BLOCKS, n, "plain", tmp_path)
    assert more < 4 * MIB
    with rubinprof.open(tmp_path / "x.rprof") as trace:
        rows = {row["function"]: row for row in trace.table()}
        assert trace.stats()["lost_events"] == 0
    assert rows["work"]["total_leaked_bytes"] >= n * 600
    assert rows["work"]["total_peak_bytes"] >= n * 600
