"""Units out of a trace in one replay: what each region did is what the trace says of it, at every reading."""

import shutil
import subprocess
import sys
from collections import defaultdict

import pytest

import rubinprof
from rubinprof.campaign import columns

pytestmark = pytest.mark.linux

PROGRAM = """
import rubinprof, sys

def burn(n):
    total = 0
    for i in range(n):
        total += i * i
    return total

def keep(n):
    return bytearray(n)

kept = []
for i in range(6):
    with rubinprof.region("isr", task="isr", quantum_id=str(i)):
        burn(400_000 * (1 + i % 2))
        with rubinprof.region("background"):
            kept.append(keep((i + 1) << 20))
        passing = keep(4 << 20)
        del passing
"""


def units(path):
    with rubinprof.open(path) as trace:
        return columns.read(trace.report("units", "columns"))


def record(path, mode):
    (path.parent / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "rubinprof", "run", "-o", path.name, "--cpu", mode, "--memory", mode, "program.py"]
    subprocess.run(command, cwd=path.parent, check=True, timeout=120)
    return path


@pytest.fixture(scope="module", params=["exact", "sampled"])
def traced(request, tmp_path_factory):
    return record(tmp_path_factory.mktemp("units") / f"{request.param}.rprof", request.param)


def test_the_sums_of_a_process_are_those_of_its_tables(traced):
    made = units(traced)
    with rubinprof.open(traced) as trace:
        stats, table = trace.stats(), trace.table(by="function")
    functions = made["functions"]
    assert sum(functions["self_cpu_ns"].to_pylist()) == pytest.approx(stats["cpu_s"] * 1e9, rel=1e-6)
    assert sum(filter(None, made["paths"]["cpu_ns"].to_pylist())) == pytest.approx(stats["cpu_s"] * 1e9, rel=1e-6)
    assert sum(filter(None, made["paths"]["allocated_bytes"].to_pylist())) == stats["allocated_bytes"]
    named = dict(zip(made["frames"]["frame"].to_pylist(), made["frames"]["function"].to_pylist(), strict=True))
    of = defaultdict(float)
    for frame, ns in zip(functions["frame"].to_pylist(), functions["total_cpu_ns"].to_pylist(), strict=True):
        of[named[frame]] += ns / 1e9
    assert of["burn"] == pytest.approx(sum(row["total_cpu_s"] for row in table if row["function"] == "burn"), abs=1e-6)
    assert len(named) == len(made["frames"]["frame"])  # no two have one key


def test_each_unit_has_what_its_region_has(traced):
    made = units(traced)
    with rubinprof.open(traced) as trace:
        regions = [region for region in trace.regions() if region["parent"] is None]
    stacks = list(zip(*(made["stacks"][name].to_pylist() for name in ("unit", "cpu_ns", "allocated_bytes", "held_bytes")), strict=True))
    assert {unit for unit, *_ in stacks} == {region["index"] for region in regions}
    for region in regions:
        mine = [row for row in stacks if row[0] == region["index"]]
        assert sum(row[2] for row in mine) == pytest.approx(region["allocated_bytes"], rel=0.01)
        assert sum(row[3] for row in mine) == pytest.approx(region["peak_above_start_bytes"], rel=0.01)
    cpu, all_of_them = sum(row[1] for row in stacks), sum(region["process_cpu_s"] for region in regions) * 1e9
    assert cpu == pytest.approx(all_of_them, rel=0.05 if traced.stem == "exact" else 0.4)


def test_reading_again_or_a_copy_gives_the_same_bytes(traced, tmp_path):
    shutil.copy(traced, tmp_path / "elsewhere.rprof")
    with rubinprof.open(traced) as one, rubinprof.open(tmp_path / "elsewhere.rprof") as other:
        one.stats()  # whatever was asked before
        first = one.report("units", "columns")
        assert first == one.report("units", "columns") == other.report("units", "columns")


def test_keys_are_those_of_another_prefix_and_not_of_another_build(tmp_path):
    keys = {}
    for place, text in (("a/site-packages", PROGRAM), ("b/lib/site-packages", PROGRAM), ("c/site-packages", PROGRAM.replace("total += i * i", "total += i * i + 1"))):
        package = tmp_path / place / "package"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "work.py").write_text(text)
        command = [sys.executable, "-m", "rubinprof", "run", "-o", "x.rprof", "--cpu", "exact", "--memory", "sampled", "-c", "import package.work"]
        subprocess.run(command, cwd=package.parent, check=True, timeout=120)
        frames = units(package.parent / "x.rprof")["frames"]
        rows = zip(*(frames[name].to_pylist() for name in ("function", "file", "frame", "release")), strict=True)
        keys[place[0]] = {(function, file): (frame, release) for function, file, frame, release in rows}
    burn = ("burn", "package/work.py")
    assert keys["a"][burn] == keys["b"][burn]
    assert keys["a"][burn][0] != keys["c"][burn][0] and keys["a"][burn][1] == keys["c"][burn][1]
    assert keys["a"]["keep", "package/work.py"] == keys["c"]["keep", "package/work.py"]


def test_the_unit_of_a_killed_process_says_who_held_its_peak(spool):
    made = units(spool / "killed.rprof")
    with rubinprof.open(spool / "killed.rprof") as trace:
        last = [region for region in trace.regions() if region["parent"] is None][-1]
    assert last["unfinished"]
    held = [row for row in zip(*(made["stacks"][name].to_pylist() for name in ("unit", "held_bytes", "line")), strict=True) if row[0] == last["index"]]
    assert sum(row[1] for row in held) == pytest.approx(last["peak_above_start_bytes"], rel=0.01)
    assert max(held, key=lambda row: row[1])[2] > 0
