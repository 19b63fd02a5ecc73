"""Units out of a trace in one replay: what each region did is what the trace says of it, at every reading."""

import gzip
import json
import shutil
import subprocess
import sys
from collections import Counter, defaultdict

import pytest

import rubinprof
from rubinprof import campaign
from rubinprof.campaign.flame import page_trees
from rubinprof.campaign import columns, unit

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


PACKING = """
import rubinprof, zlib

with rubinprof.region("isr", task="isr", quantum_id="0"):
    for _ in range(20):
        zlib.compress(bytes(range(256)) * 4000, 9)
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


def test_the_share_of_exact_time_that_samples_tell_has_its_variance(tmp_path):
    """It was 0, as if native code had been timed."""
    (tmp_path / "program.py").write_text(PACKING)
    subprocess.run([sys.executable, "-m", "rubinprof", "run", "-o", "x.rprof", "program.py"], cwd=tmp_path, check=True, timeout=120)
    made = units(tmp_path / "x.rprof")
    with rubinprof.open(tmp_path / "x.rprof") as trace:
        whole = trace.stats()["shared_out"]
    is_python = dict(zip(made["frames"]["frame"].to_pylist(), made["frames"]["is_python"].to_pylist(), strict=True))
    functions = zip(*(made["functions"][name].to_pylist() for name in ("frame", "self_cpu_ns", "self_cpu_variance", "total_cpu_variance")), strict=True)
    native = 0
    for frame, ns, variance, total_variance in functions:
        share = ns / 1e9 / whole["cpu_s"]
        if not is_python[frame] and ns:
            native += 1
            rest = max(1 - share, 1 / (whole["samples"] + 1))
            assert variance == pytest.approx((whole["cpu_s"] * 1e6) ** 2 * share * rest / whole["samples"], rel=0.01, abs=1)
        elif is_python[frame]:
            assert total_variance == 0  # with all that it called
    assert native
    assert any(made["stacks"]["cpu_variance"].to_pylist())


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


def test_an_error_of_0_is_exact_and_null_is_unknown(traced):
    with rubinprof.open(traced) as trace:
        stats, regions = trace.stats(), trace.regions()
    rows = unit.quantum_rows("0", stats, regions)
    errors = [row[f"{name}_error"] for row in rows for name in unit.WITH_ERROR]
    assert errors and (errors == [0.0] * len(errors) if traced.stem == "exact" else any(error > 0 for error in errors if error is not None))
    unknown = {"peak_bytes_error": None, "leaked_bytes": None}
    (row, *_) = unit.quantum_rows("0", stats, [region | unknown for region in regions])
    assert row["peak_bytes_error"] is None
    assert row["leaked_bytes_error"] is None or traced.stem == "sampled"


def test_reports_that_are_read_together_are_those_read_apart(traced, spool):
    reports = []
    for path in (traced, spool / "killed.rprof", spool / "1.rprof", traced):
        with rubinprof.open(path) as trace:
            reports.append(trace.report("units", "columns"))
    apart, together = [columns.read(one) for one in reports], columns.read(*reports)
    for table, arrays in together.items():
        for name, array in arrays.items():
            expected = [value for one in apart for value in one[table][name].to_pylist()]
            if name == columns.REPORT:
                expected = [nth for nth, one in enumerate(apart) for _ in one[table][name]]
            assert array.to_pylist() == expected, (table, name)
    assert together["paths"]["cpu_ns"].null_count  # of native code


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


def test_a_store_sums_what_the_quanta_of_a_task_did(store):
    found = campaign.open(store)
    for task in ("isr", "calibrateImage"):
        ((expected,),) = found.sql(f"SELECT sum(allocated_bytes) FROM quanta WHERE task = '{task}'").fetchall()
        kinds = found.table("library", "allocated", task=task).df()
        assert kinds[kinds["kind"] == "python"]["allocated_bytes"].sum() == pytest.approx(expected, rel=0.01)
        lines = found.table("line", "allocated", task=task).df()
        assert lines["allocated_bytes"].sum() == pytest.approx(expected, rel=0.01)
        top = lines.iloc[0]
        assert (top["function"], top["file"], top["line"]) == ("<module>", "quanta.py", 16)
        assert sum(found.flame(task=task).figures["allocated"]) == pytest.approx(expected, rel=0.01)


def test_what_tasks_and_no_task_did_is_what_the_process_did(traced, spool):
    """By function, to the byte and the rounding of each sum, whatever was kept of each quantum."""
    for path in (traced, spool / "0.rprof", spool / "1.rprof", spool / "killed.rprof"):
        made = units(path)
        sums, functions = made["task_sums"], made["functions"]
        assert min(sums["unit"].to_pylist()) == -1 < max(sums["unit"].to_pylist())
        for column, of_functions in (("cpu_ns", "self_cpu_ns"), ("allocated_bytes", "allocated_bytes")):
            expected, found, parts = Counter(), Counter(), Counter()
            for frame, value in zip(functions["frame"].to_pylist(), functions[of_functions].to_pylist(), strict=True):
                expected[frame] += value
            for frame, python, value in zip(*(sums[name].to_pylist() for name in ("frame", "python", column)), strict=True):
                for one in {frame, python} if column == "allocated_bytes" else {frame}:
                    found[one] += value
                    parts[one] += 1
            assert sum(expected.values()) > 0
            named = dict(zip(made["frames"]["frame"].to_pylist(), made["frames"]["function"].to_pylist(), strict=True))
            most = {frame: 1 + parts[frame] if column == "cpu_ns" else 0 for frame in {*expected, *found}}
            far = {named[frame]: found[frame] - expected[frame] for frame in most if abs(found[frame] - expected[frame]) > most[frame]}
            assert far.pop("[all]", 0) + far.pop("[outside Python]", 0) == 0  # what no Python did has two names
            assert far == {}, (path.name, column)


MANY = """
import rubinprof

for task in "ab":
    for i in range(150):
        exec(f"def {task}{i}(n):\\n    total = 0\\n    for i in range(n):\\n        total += i * i\\n    return bytearray(1000 + n)")

for quantum in range(4):
    for task in "ab":
        with rubinprof.region(task, task=task, quantum_id=f"{task}{quantum}"):
            for i in range(150):
                globals()[f"{task}{i}"](200 + 7 * i + quantum)
"""


def test_functions_of_a_task_are_exact_where_quanta_have_more_stacks_than_are_kept(tmp_path):
    (tmp_path / "many.py").write_text(MANY)
    command = [sys.executable, "-m", "rubinprof", "run", "-o", "many.rprof", "--cpu", "exact", "--memory", "exact", "many.py"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    campaign.add(tmp_path / "store", tmp_path / "many.rprof", workers=0)
    found = campaign.open(tmp_path / "store")
    assert found.sql("SELECT max(n) FROM (SELECT count(*) AS n FROM stacks GROUP BY unit)").fetchall() == [(64,)]
    with rubinprof.open(tmp_path / "many.rprof") as trace:
        expected = {row["function"]: (round(row["self_cpu_s"] * 1e9), row["allocated_bytes"]) for row in trace.table("function", "allocated") + trace.table("function", "cpu")}
    for task, other in ("ab", "ba"):
        for table in (found.table("function", task=task), found.table("function", where=f"task = {task}"), found.table("function", where=f"task != {other}")):
            rows = {name: (round(cpu * 1e9), bytes_) for name, cpu, bytes_ in table.select("function, self_cpu_s, allocated_bytes").fetchall()}
            assert not {f"{other}{i}" for i in range(150)} & set(rows)
            for i in range(150):
                name = f"{task}{i}"
                assert rows[name][1] == expected[name][1] >= 4 * (1200 + 7 * i)
                assert rows[name][0] == pytest.approx(expected[name][0], abs=8)
        lines = found.table("line", task=task).df()
        assert lines[lines["function"] == f"{task}149"]["allocated_bytes"].sum() == expected[f"{task}149"][1]


@pytest.mark.parametrize("format", ["collapsed", "speedscope", "pprof"])
def test_the_stacks_of_a_store_go_to_viewers(tmp_path, store, format):
    command = [sys.executable, "-m", "rubinprof", "campaign", "export", str(store), "--format", format, "--by", "task", "-m", "allocated", "-o", str(tmp_path / "x")]
    subprocess.run(command, check=True, timeout=120)
    data = (tmp_path / "x").read_bytes()
    if format == "collapsed":
        lines = data.decode().splitlines()
        assert {line.split(";")[0] for line in lines} == {"isr", "calibrateImage"}
        assert sum(int(line.rpartition(" ")[2]) for line in lines) == pytest.approx(90 << 20, rel=0.01)
    elif format == "speedscope":
        made = json.loads(data)
        assert {"cpu", "allocated", "peak"} >= {profile["name"] for profile in made["profiles"]} > {"allocated"}
    else:
        assert b"calibrateImage" in gzip.decompress(data)


def test_sums_over_commits_are_those_of_one(tmp_path, spool, store, monkeypatch):
    monkeypatch.setattr("rubinprof.campaign.store.QUANTA_MERGED_MAX", 1)  # nothing is merged
    for path in sorted(spool.iterdir(), reverse=True):
        campaign.add(tmp_path / "apart", path, workers=0)
    apart, together = campaign.open(tmp_path / "apart"), campaign.open(store)
    assert len(apart.store.commits()) > 1
    for table, order in (("paths", "path"), ("frames", "frame")):
        query = f"SELECT * FROM {table} ORDER BY {order}"
        assert apart.sql(query).fetchall() == together.sql(query).fetchall()
    assert apart.table("function", task="isr").fetchall() == together.table("function", task="isr").fetchall()


def test_a_store_without_stacks_still_answers(make_store):
    path = make_store([{"task": "isr", "wall_s": 1.0}])
    (commit,) = (path / "commits").glob("*.json")
    about = json.loads(commit.read_text())
    about["files"] = [file for file in about["files"] if file["path"].split("/")[0] not in ("stacks", "paths", "frames")]
    commit.write_text(json.dumps(about))
    found = campaign.open(path)
    assert len(found.table("task").fetchall()) == 1 and found.table("line").fetchall() == [] and len(found.flame().parent) == 1


def test_trees_of_a_page_keep_every_sum(store):
    """However few nodes there is room for; and each tree is over the same frames."""
    asked = campaign.open(store)
    for most in (10, 100_000):
        flames = asked.flames(["isr"])
        assert [sorted(flames[task].stacks()) for task in ("", "isr")] == [sorted(asked.flame(task=task or None).stacks()) for task in ("", "isr")]
        whole = {task: {column: sum(values) for column, values in flame.figures.items()} for task, flame in flames.items()}
        made = page_trees(flames, most)
        for task, nodes in made["trees"].items():
            assert {column: sum(nodes[column]) for column in whole[task]} == whole[task]
            assert all(parent < i for i, parent in enumerate(nodes["parent"])) and nodes["parent"][0] == -1
            assert max(nodes["frame"]) < len(made["frames"]["name"])
            assert len(nodes["frame"]) <= most
        names = {made["strings"][name] for name in made["frames"]["name"]}
        assert ("[smaller frames]" in names) == (most < 100_000)
    assert made["trees"][""]["cpu"] != made["trees"]["isr"]["cpu"]


def test_a_store_without_stacks_has_no_trees(make_store):
    asked = campaign.open(make_store([{"task": "isr", "trace": "0" * 32, "unit": 0, "wall_s": 1.0}]))
    assert page_trees(asked.flames(["isr"])) is None
