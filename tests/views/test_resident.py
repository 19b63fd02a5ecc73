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
import json, os, re, resource, sys, time
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
    begin = resource.getrusage(resource.RUSAGE_SELF)
    told["begin"], kept = status("VmRSS"), touch(120)
    end = resource.getrusage(resource.RUSAGE_SELF)
    told["minor"], told["major"] = end.ru_minflt - begin.ru_minflt, end.ru_majflt - begin.ru_majflt
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
with rubinprof.region("system"):
    begin = resource.getrusage(resource.RUSAGE_SELF)
    with open("/dev/zero", "rb", buffering=0) as zeros, open("/dev/null", "wb", buffering=0) as null:
        while resource.getrusage(resource.RUSAGE_SELF).ru_stime < begin.ru_stime + 0.2:
            null.write(zeros.read(1 << 20))
    end = resource.getrusage(resource.RUSAGE_SELF)
    told["user"], told["system"] = end.ru_utime - begin.ru_utime, end.ru_stime - begin.ru_stime
json.dump(told, open(sys.argv[1], "w"))
"""


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_each_region_has_its_resident_memory(rubinprof_command, tmp_path, mode):
    (tmp_path / "program.py").write_text(PROGRAM)
    modes = ["--cpu", mode, "--memory", mode]
    done = rubinprof_command("run", *modes, "-o", tmp_path / "t.rprof", tmp_path / "program.py", tmp_path / "told.json")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    trace = rubinprof.open(tmp_path / "t.rprof")
    below, above, calls, system = trace.regions()

    assert below["rss_begin"] == pytest.approx(told["begin"], abs=SLACK)
    assert below["rss_end"] == pytest.approx(told["end"], abs=SLACK)
    assert below["rss_max"] - below["rss_begin"] == pytest.approx(120 * MB, abs=SLACK)
    for kind in ("minor", "major"):
        assert told[kind] <= below[f"{kind}_faults"] <= told[kind] + SLACK // 4096
        assert below[f"{kind}_faults"] <= trace.stats()[f"{kind}_faults"]
    assert below["process_rss_max_is_own"] is False
    assert below["process_rss_max"] > 300 * MB

    # It was gone again when the region ended: only the high-water mark has seen it.
    assert above["rss_max"] == above["process_rss_max"] == pytest.approx(told["mark"], abs=SLACK)
    assert above["process_rss_max_is_own"] is True
    assert above["rss_end"] < above["rss_max"] - 500 * MB

    # As the middleware counts: of the process, with the tool's own threads.
    assert system["cpu_system_s"] == pytest.approx(told["system"], rel=0.1, abs=0.05)
    assert system["cpu_user_s"] == pytest.approx(told["user"], rel=0.1, abs=0.05)
    for row in (below, above, calls, system):
        assert row["cpu_user_s"] + row["cpu_system_s"] == pytest.approx(row["cpu_measured_s"], rel=0.05, abs=0.005)
    stats = trace.stats()
    assert stats["cpu_user_s"] >= sum(row["cpu_user_s"] for row in (below, above, calls, system)) - 0.001
    assert stats["cpu_user_s"] + stats["cpu_system_s"] >= stats["cpu_s"] * 0.95
    assert stats["resident_bytes"] == stats["largest_resident_bytes"] >= above["process_rss_max"]
    assert stats["resident_bytes"] == pytest.approx(told["mark"], abs=SLACK)

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


def test_they_are_in_every_view(rubinprof_command, tmp_path):
    (tmp_path / "program.py").write_text("import rubinprof\nwith rubinprof.region('r'):\n    sum(range(100_000))\n")
    trace = tmp_path / "t.rprof"
    assert rubinprof_command("run", "-o", trace, tmp_path / "program.py").returncode == 0
    keys = {"cpu_user_s", "cpu_system_s", "minor_faults", "major_faults"}
    assert keys <= set(rubinprof_command("regions", trace, "--csv").stdout.splitlines()[0].split(","))
    assert keys <= set(json.loads(rubinprof_command("regions", trace, "--json").stdout)["rows"][0])
    parquet = pytest.importorskip("pyarrow.parquet")
    assert rubinprof_command("export", trace, "--by", "region", "-f", "parquet", "-o", tmp_path / "x.parquet").returncode == 0
    assert keys <= set(parquet.read_table(tmp_path / "x.parquet").column_names)
    text = rubinprof_command("stats", trace).stdout
    assert " user and " in text and "\nResident " in text
    with rubinprof.open(trace) as opened:
        in_page = {column["key"] for column in opened._json("regions")["columns"] if column["in_page"]}
        narrow = opened._json("stats", from_s=0.0, to_s=1e-3)
    assert keys - {"minor_faults"} <= in_page
    # The kernel tells them of the process and its whole life.
    assert {narrow[key] for key in (*keys, "resident_bytes", "largest_resident_bytes")} == {None}
