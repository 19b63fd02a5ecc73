"""Resident memory and measured CPU time of regions, beside what the process reads of itself."""

import json
import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

MB = 1 << 20
SLACK = 40 * MB  # our own namer maps libraries meanwhile
PROGRAM = """
import json, re, sys, time
import rubinprof

def status(key):
    with open("/proc/self/status") as file:
        return int(re.search(key + r":\\s+(\\d+) kB", file.read())[1]) * 1024

def touch(mb):
    return bytearray(b"x") * (mb << 20)

before = touch(300)
del before
told = {}
with rubinprof.region("below the mark"):
    told["begin"], kept = status("VmRSS"), touch(120)
    told["end"] = status("VmRSS")
with rubinprof.region("above the mark"):
    gone = touch(600)
    told["mark"] = status("VmHWM")
    del gone
with rubinprof.region("calls"):
    start = time.process_time()
    for i in range(400_000):
        str(i).strip()
        len((lambda: "x")())
    told["cpu"] = time.process_time() - start
json.dump(told, open(sys.argv[1], "w"))
"""


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_each_region_has_its_resident_memory(rubinprof_command, tmp_path, mode):
    (tmp_path / "program.py").write_text(PROGRAM)
    modes = ["--cpu", mode, "--memory", mode]
    done = rubinprof_command("run", *modes, "-o", tmp_path / "t.rprof", tmp_path / "program.py", tmp_path / "told.json")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    below, above, calls = rubinprof.open(tmp_path / "t.rprof").regions()

    assert below["rss_begin"] == pytest.approx(told["begin"], abs=SLACK)
    assert below["rss_end"] == pytest.approx(told["end"], abs=SLACK)
    assert below["rss_max"] - below["rss_begin"] == pytest.approx(120 * MB, abs=SLACK)
    assert below["process_rss_max_is_own"] is False
    assert below["process_rss_max"] > 300 * MB

    # It was gone again when the region ended: only the high-water mark has seen it.
    assert above["rss_max"] == above["process_rss_max"] == pytest.approx(told["mark"], abs=SLACK)
    assert above["process_rss_max_is_own"] is True
    assert above["rss_end"] < above["rss_max"] - 500 * MB

    # What the kernel counts has our own threads in it, which process_cpu_s has not.
    assert calls["cpu_measured_s"] == pytest.approx(told["cpu"], rel=0.05, abs=0.01)


def test_a_high_water_mark_is_not_inherited_through_exec(tmp_path):
    """ru_maxrss is: a small program started by a large one has the large one's."""
    inner = "import rubinprof\nwith rubinprof.region('small'): pass"
    command = [sys.executable, "-m", "rubinprof", "run", "-o", str(tmp_path / "t.rprof"), "-c", inner]
    outer = f"import os; x = bytearray(b'x') * (300 << 20); os.execv({sys.executable!r}, {command!r})"
    subprocess.run([sys.executable, "-c", outer], check=True, timeout=60)
    [row] = rubinprof.open(tmp_path / "t.rprof").regions()
    assert 0 < row["process_rss_max"] < 200 * MB
