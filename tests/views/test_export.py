"""Every export, opened by a program that is made to read it, and its figures held against the analyzer's."""

import collections
import csv
import io
import json
import pstats
import re
import subprocess
from pathlib import Path

import pytest

import rubinprof
from rubinprof import exports
from rubinprof.metrics import METRICS

pytestmark = pytest.mark.linux


@pytest.fixture(scope="session")
def trace(traces):
    with rubinprof.open(traces.a[0]) as trace:
        yield trace


@pytest.fixture(scope="session")
def exported(traces, exporting, tmp_path_factory):
    """Exports a format of the trace with the command, once; returns the file."""
    return exporting(traces.a[0], tmp_path_factory.mktemp("exports"))


def self_by_name(trace, column):
    """Self figures of the call tree, by name."""
    flame = trace._json("flame", full_names=True)
    strings, names = flame["strings"], flame["frames"]["name"]
    found = {}
    for frame, value in zip(flame["nodes"]["frame"], flame["nodes"][column], strict=True):
        if value:
            found[strings[names[frame]]] = found.get(strings[names[frame]], 0) + value
    return found


def total_of(trace, column):
    return sum(trace.flame()["nodes"][column])


# ---- pstats ----


def test_pstats(exported, trace):
    stats = pstats.Stats(str(exported("pstats")), stream=io.StringIO())
    rows = {row["function"]: row for row in trace.table() if row["kind"] == "python"}
    by_name = {name: figures for (_, _, name), figures in stats.stats.items()}
    primitive, calls, own, total, callers = by_name["recurse"]
    assert (primitive, calls) == (3, 63)  # 3 visits, each 21 deep
    assert own == pytest.approx(rows["recurse"]["self_cpu_s"], abs=1e-6)
    assert total == pytest.approx(rows["recurse"]["total_cpu_s"], abs=1e-6)
    assert {name: figures[:2] for (_, _, name), figures in callers.items()} == {"visit": (3, 3), "recurse": (3, 60)}
    assert stats.total_tt == pytest.approx(trace.stats()["cpu_s"], abs=1e-6)
    stats.sort_stats("cumulative").print_callers()  # walks everything


def test_snakeviz_loads_pstats(exported):
    from snakeviz.stats import json_stats, table_rows

    stats = pstats.Stats(str(exported("pstats", "-m", "wall")))
    rows = table_rows(stats)
    assert any("fit" in row[5] for row in rows)
    tree = json_stats(stats)
    tree = json.loads(tree) if isinstance(tree, str) else tree
    (visit,) = [row for name, row in tree.items() if name.endswith("(visit)")]
    assert visit["stats"][0] == 3


# ---- speedscope, collapsed ----


@pytest.mark.npm
@pytest.mark.browser
def test_speedscope(exported, trace, consumers, playwright):
    document, complaints = consumers.speedscope(playwright, exported("speedscope"))
    assert complaints == []
    seen = {profile["name"]: profile for profile in document["profiles"]}
    in_time = [seen.pop(name) for name in list(seen) if name.endswith(", in order of time")]
    assert len(in_time) == 2 and all(0 < p["endValue"] - p["startValue"] <= trace.stats()["wall_s"] * 1e9 for p in in_time)
    assert set(seen) <= set(METRICS) and {"cpu", "wall", "calls", "allocated", "peak", "leaked"} <= set(seen)
    for name, profile in seen.items():
        assert profile["endValue"] - profile["startValue"] == total_of(trace, METRICS[name].column), name
    by_name = {}
    for stack, value in consumers.folded(document, "allocated").items():
        by_name[stack[-1]] = by_name.get(stack[-1], 0) + value
    assert by_name == self_by_name(trace, "allocated")


@pytest.mark.npm
@pytest.mark.browser
def test_speedscope_reads_collapsed(exported, trace, consumers, playwright):
    document, complaints = consumers.speedscope(playwright, exported("collapsed", "-m", "allocated"))
    assert complaints == []
    stacks = consumers.folded(document)
    assert sum(stacks.values()) == total_of(trace, "allocated")
    kept = sum(value for stack, value in stacks.items() if any(re.fullmatch(r"keep \(work\.py:\d+\)", name) for name in stack))
    assert kept == pytest.approx(3_000_000, rel=0.01)


@pytest.mark.flamegraph
@pytest.mark.parametrize("metric", ["cpu", "calls"])
def test_flamegraph_reads_collapsed(exported, trace, consumers, metric):
    picture = consumers.flamegraph(exported("collapsed", "-m", metric))
    whole = re.search(r"<title>all \(([\d,]+) samples, 100%\)</title>", picture)
    assert int(whole[1].replace(",", "")) == total_of(trace, metric)  # to the nanosecond
    if metric == "calls":
        calls = [int(n.replace(",", "")) for n in re.findall(r"<title>fit \(work\.py:\d+\) \(([\d,]+) samples", picture)]
        assert sum(calls) == 31


# ---- callgrind ----


@pytest.mark.valgrind
def test_callgrind(exported, trace):
    command = ["callgrind_annotate", "--threshold=100", "--show-percs=no", "--auto=no", str(exported("callgrind"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "WARNING" not in done.stdout + done.stderr, done.stderr
    (totals,) = re.findall(r"^([\d, ]+?)\s+PROGRAM TOTALS", done.stdout, re.MULTILINE)
    expected = [total_of(trace, metric.column) for metric in METRICS.values()]
    assert [int(figure.replace(",", "")) for figure in totals.split()] == expected
    for name, calls in (("fit", 31), ("recurse", 63)):
        (line,) = re.findall(rf"^ *([\d., ]+?) +\S*work\.py:{name} \[", done.stdout, re.MULTILINE)
        assert line.split()[list(METRICS).index("calls")] == str(calls)


@pytest.mark.valgrind
def test_callgrind_shows_callers_and_lines(exported, tmp_path):
    def annotate(*words):
        command = ["callgrind_annotate", "--threshold=100", *words, str(exported("callgrind"))]
        # It shortens paths below the working directory, and then misses their callers.
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path).stdout

    callers = annotate("--auto=no", "--tree=caller", "--show=calls", "--sort=calls")
    assert re.search(r"< \S*work\.py:visit \(30x\)", callers)
    assert re.search(r"^ *31\b.*  def fit\(n\):", annotate("--auto=yes", "--show=calls", "--sort=calls"), re.MULTILINE)


# ---- pprof ----


@pytest.mark.go
def test_pprof(exported, trace, consumers, tmp_path):
    def pprof(*words):
        return consumers.pprof(exported("pprof"), tmp_path, *words)

    raw = pprof("-raw")
    assert "cpu/nanoseconds" in raw and "allocated/bytes" in raw
    rows = [list(map(int, row.split())) for row in re.findall(r"^ *((?:\d+ +){8}\d+): [\d ]+$", raw, re.MULTILINE)]
    assert [sum(column) for column in zip(*rows, strict=True)] == [total_of(trace, m.column) for m in METRICS.values()]
    assert consumers.pprof_top(exported("pprof"), tmp_path, "calls")["fit"] == "31"
    assert "Lacks:" in pprof("-comments")
    assert "work.py" in pprof("-list=^fit$", "-sample_index=calls")


# ---- Firefox Profiler ----


@pytest.mark.npm
def test_firefox(exported, trace, consumers, tmp_path):
    with consumers.FirefoxProfiler(exported("firefox"), tmp_path) as profiler:
        info = profiler.ask("profile", "info", "--all")
        threads = dict(re.findall(r"(t-\d+): (\w+) \[", info))
        by_name = {name: handle for handle, name in threads.items()}
        assert {"cpu", "wall", "calls", "allocated", "regions"} <= set(by_name)
        functions = profiler.ask("thread", "functions", "--thread", by_name["calls"], "--limit", "0")
        assert re.search(r"\bfit - self: 31 ", functions), functions
        markers = profiler.ask("thread", "markers", "--thread", by_name["regions"])
        assert re.search(r"visit +3 markers", markers)
    document = json.loads(exported("firefox").read_text())
    (cpu,) = [thread for thread in document["threads"] if thread["name"] == "cpu"]
    assert sum(cpu["samples"]["weight"]) == pytest.approx(total_of(trace, "cpu") / 1e6)


# ---- Perfetto, Chrome ----


@pytest.mark.npm
@pytest.mark.browser
def test_perfetto(exported, trace, consumers, playwright):
    """speedscope's importer of trace events: Perfetto's own is not on any registry."""
    document, complaints = consumers.speedscope(playwright, exported("perfetto"))
    assert complaints == []
    lengths = {profile["name"]: profile["endValue"] - profile["startValue"] for profile in document["profiles"]}
    (cpu,) = [length for name, length in lengths.items() if "by cpu" in name]
    assert cpu == pytest.approx(total_of(trace, "cpu") / 1000)
    events = json.loads(exported("perfetto").read_text())["traceEvents"]
    visits = [event for event in events if event.get("cat") == "region"]
    assert [event["name"] for event in visits] == [f"visit detector={i}" for i in range(3)]
    assert [event["dur"] for event in visits] == pytest.approx([r["wall_s"] * 1e6 for r in trace.regions()], abs=0.001)


TASKS = """
import asyncio
import rubinprof

async def task(name, begun, may_end, ended):
    with rubinprof.region(name):
        begun.set()
        await may_end.wait()
    ended.set()

async def main():
    first, second, over, end = (asyncio.Event() for _ in range(4))
    await asyncio.gather(task("first", first, second, over), task("second", second, over, end))

asyncio.run(main())
"""


@pytest.mark.npm
@pytest.mark.browser
def test_perfetto_of_tasks(rubinprof_command, consumers, playwright, tmp_path):
    """The first ends while the second is open: no slices of their thread, which would have to nest."""
    (tmp_path / "tasks.py").write_text(TASKS)
    done = rubinprof_command("run", "-o", tmp_path / "tasks.rprof", tmp_path / "tasks.py")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "tasks.trace.json"
    assert rubinprof_command("export", tmp_path / "tasks.rprof", "--format", "perfetto", "-o", out).returncode == 0
    events = [event for event in json.loads(out.read_text())["traceEvents"] if event.get("cat") == "region"]
    assert sorted((event["ph"], event["name"]) for event in events) == [("b", "first"), ("b", "second"), ("e", "first"), ("e", "second")]
    assert consumers.speedscope(playwright, out)[1] == []


TIES = """
import time

def spin(cpu_s):
    end = time.process_time() + cpu_s
    while time.process_time() < end:
        pass

def outer(cpu_s):
    spin(cpu_s)

def first():
    outer(0.2)
    spin(0.1)

def second():
    spin(0.1)
    outer(0.2)

first()
second()
"""


@pytest.mark.npm
@pytest.mark.browser
def test_perfetto_of_slices_that_end_together(rubinprof_command, consumers, playwright, tmp_path):
    """A slice and its parent end, and one with the slice's name begins, at one time: all lay inside each other."""
    (tmp_path / "ties.py").write_text(TIES)
    out = tmp_path / "ties.trace.json"
    assert rubinprof_command("run", "--cpu", "sampled", "--memory", "sampled", "-o", tmp_path / "ties.rprof", tmp_path / "ties.py").returncode == 0
    assert rubinprof_command("export", tmp_path / "ties.rprof", "--format", "perfetto", "-o", out).returncode == 0
    slices = [(event["ph"], event["name"], event["ts"]) for event in json.loads(out.read_text())["traceEvents"] if event["ph"] in "BE" and event["tid"] == 1]
    assert any(
        (first[0], second[0], third[0]) == ("E", "E", "B") and first[1] == third[1] and third[2] - first[2] < 0.001 for first, second, third in zip(slices, slices[1:], slices[2:])
    )
    document, complaints = consumers.speedscope(playwright, out)
    assert complaints == []
    with rubinprof.open(tmp_path / "ties.rprof") as trace:
        own, (profile,) = self_by_name(trace, "cpu"), [profile["name"] for profile in document["profiles"] if "by cpu" in profile["name"]]
    found = collections.Counter()
    for stack, value in consumers.folded(document, profile).items():
        found[stack[-1].split(" ")[0]] += value * 1000
    assert {name: round(found[name]) for name in ("spin", "outer", "first", "second")} == {name: own.get(name, 0) for name in ("spin", "outer", "first", "second")}


# ---- tables ----


@pytest.mark.parametrize("by", ["function", "line", "file", "module", "thread", "region"])
def test_tables(exported, trace, by):
    rows = list(csv.DictReader(exported("csv", "--by", by).read_text().splitlines()))
    expected = trace.regions() if by == "region" else trace.table(by)
    assert len(rows) == len(expected)
    for row, figures in zip(rows, expected, strict=True):
        numbers = {key: value for key, value in figures.items() if isinstance(value, int | float) and (key != "line" or value)}
        assert {key: float(row[key]) for key in numbers} == {key: float(value) for key, value in numbers.items()}
        assert {key: row[key] for key, value in figures.items() if value is None} == {key: "" for key, value in figures.items() if value is None}
    if by == "region":
        assert [row["label.detector"] for row in rows] == ["0", "1", "2"]


def test_parquet(exported, trace):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(exported("parquet"))
    assert table.to_pylist() == trace.table()
    assert b"stacks" in table.schema.metadata[b"rubinprof.lacks"]


def test_parquet_without_pyarrow_is_one_sentence(traces, rubinprof_command, tmp_path):
    (tmp_path / "pyarrow.py").write_text("raise ImportError('none here')")
    words = ["export", traces.a[0], "--format", "parquet", "-o", tmp_path / "x.parquet"]
    done = rubinprof_command(*words, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2 and "pip install pyarrow" in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "x.parquet").exists()


# ---- the command ----


def test_help_says_what_each_format_cannot_carry(rubinprof_command):
    text = rubinprof_command("export", "--help").stdout
    for format in exports.FORMATS:
        for sentence in exports.exporter(format).LACKS:
            assert sentence in text


def test_a_region_alone(traces, rubinprof_command, tmp_path):
    path = tmp_path / "x.collapsed"
    done = rubinprof_command("export", traces.a[0], "--format", "collapsed", "-m", "calls", "--region", "1", "-o", path)
    assert done.returncode == 0, done.stderr
    calls = sum(int(line.rsplit(" ", 1)[1]) for line in path.read_text().splitlines() if "fit (" in line.rsplit(";", 1)[-1])
    assert calls == 10


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["--format", "svg"], "svg"),
        (["--format", "pstats", "-m", "peak"], "peak"),
        (["--format", "pprof", "-m", "peak"], "all metrics"),
        (["--format", "csv", "-o", "gone/x.csv"], "gone/x.csv"),
        ([], "--format"),
    ],
)
def test_bad_use_is_one_sentence(traces, rubinprof_command, tmp_path, words, fragment):
    done = rubinprof_command("export", traces.a[0], *words, cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and fragment in done.stderr, done
    assert list(tmp_path.iterdir()) == []


def test_to_standard_output(traces, rubinprof_command):
    done = rubinprof_command("export", traces.a[0], "--format", "csv", "-o", "-")
    assert done.stdout.startswith("function,file,line,")


def test_the_trace_is_not_written_over(traces, rubinprof_command):
    done = rubinprof_command("export", traces.a[0], "--format", "csv", "-o", traces.a[0])
    assert done.returncode == 2 and "is the trace itself" in done.stderr
