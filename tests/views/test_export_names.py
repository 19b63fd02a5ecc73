"""Functions of one name stay apart in the readers of every export: their own totals of each are ours."""

import collections
import json
import os
import pstats
import re
import subprocess
from pathlib import Path

import pytest

import rubinprof
from rubinprof import exports

pytestmark = pytest.mark.linux

PROGRAM = Path(__file__).parent / "programs" / "same_names.py"
NAMES = ("main", "step", "First.run", "step.<locals>.<lambda>", "<lambda>", "<module>")


@pytest.fixture(scope="session")
def same_names(rubinprof_command, exporting, tmp_path_factory):
    """The trace, what the table says of each Python function of the program, and how to export."""
    directory = tmp_path_factory.mktemp("same_names")
    path = directory / "trace.rprof"
    done = rubinprof_command("run", "-o", path, PROGRAM, directory)
    assert done.returncode == 0, done.stderr
    with rubinprof.open(path) as trace:
        rows = {
            (row["function"], row["file"], row["line"]): row
            for row in trace.table()
            if row["kind"] == "python" and (row["file"].startswith(str(directory)) or row["file"] == str(PROGRAM))
        }
        whole = trace.stats()["cpu_s"]
    names = collections.Counter(function for function, _, _ in rows)
    assert all(names[name] > 1 for name in NAMES), names
    export = exporting(path, directory)
    return rows, whole, export


def nanoseconds(rows, column):
    return sorted(round(row[column] * 1e9) for row in rows.values())


def test_pstats(same_names):
    rows, whole, export = same_names
    stats = pstats.Stats(str(export("pstats")))
    for (name, file, line), row in rows.items():
        _, calls, own, total, _ = stats.stats[file, line, name]
        assert (calls, own, total) == (row["calls"], pytest.approx(row["self_cpu_s"], abs=2e-9), pytest.approx(row["total_cpu_s"], abs=2e-9))


@pytest.mark.valgrind
def test_callgrind(same_names, tmp_path):
    rows, whole, export = same_names
    command = ["callgrind_annotate", "--threshold=100", "--show-percs=no", "--auto=no", "--inclusive=yes", str(export("callgrind"))]
    text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path).stdout
    (events,) = re.findall(r"^Events shown: +(.+)$", text, re.MULTILINE)
    at = [events.split().index(word) for word in ("cpu", "calls")]
    found = collections.defaultdict(dict)
    for figures, file, name in re.findall(r"^ *([\d,. ]+?)  (/[^:]*):(.*) \[\S*\]$", text, re.MULTILINE):
        values = [int(figure.replace(",", "").replace(".", "0") or 0) for figure in figures.split()]
        found[file][name] = [values[i] for i in at]
    total = round(whole * 1e9)
    for file in {file for _, file, _ in rows}:
        expected = {key: row for key, row in rows.items() if key[1] == file}
        of_file = [figures for name, figures in found[file].items() if any(name.startswith(key[0]) for key in expected)]
        assert sorted(cpu for cpu, _ in of_file) == pytest.approx(nanoseconds(expected, "total_cpu_s"), abs=2), file
        assert all(cpu <= total for cpu, _ in of_file)


RECURSION = """
def spin(n):
    return sum(range(n))

def ping(n):
    spin(20_000)
    kept = bytearray(50_000)
    return ping(n - 3) if n > 12 else pong(n - 1) if n else len(kept)

def pong(n):
    spin(50_000)
    return through(ping, n - 1) if n > 0 else 0

def through(f, n):
    spin(10_000)
    return f(n) + (pong(n - 2) if n > 6 else 0)

ping(16)
pong(9)
"""


@pytest.mark.valgrind
def test_callgrind_of_functions_that_call_each_other(rubinprof_command, exporting, tmp_path):
    """Inclusive figures were up to 199 % of the whole: a call of its own counted again."""
    (tmp_path / "ping.py").write_text(RECURSION)
    done = rubinprof_command("run", "-o", tmp_path / "x.rprof", tmp_path / "ping.py")
    assert done.returncode == 0, done.stderr
    command = ["callgrind_annotate", "--threshold=100", "--show-percs=no", "--auto=no", "--inclusive=yes", str(exporting(tmp_path / "x.rprof", tmp_path)("callgrind"))]
    (tmp_path / "elsewhere").mkdir()  # it shortens paths below the working directory, and then misses their callers
    text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path / "elsewhere").stdout
    (events,) = re.findall(r"^Events shown: +(.+)$", text, re.MULTILINE)
    with rubinprof.open(tmp_path / "x.rprof") as trace:
        rows = {row["function"]: row for row in trace.table() if row["file"].endswith("/ping.py")}
    for name in ("ping", "pong", "through", "spin", "<module>"):
        (line,) = re.findall(rf"^ *([\d,. ]+?)  \S*ping\.py:{name} \[", text, re.MULTILINE)
        figures = dict(zip(events.split(), (int(figure.replace(",", "").replace(".", "0")) for figure in line.split()), strict=True))
        assert figures["cpu"] == pytest.approx(rows[name]["total_cpu_s"] * 1e9, abs=10)
        assert figures["allocated"] == rows[name]["total_allocated_bytes"]


@pytest.mark.go
def test_pprof(same_names, consumers, tmp_path):
    rows, whole, export = same_names
    found = {name: int(calls) for name, calls in consumers.pprof_top(export("pprof"), tmp_path, "calls").items()}
    for name in NAMES:
        expected = sorted(row["calls"] for key, row in rows.items() if key[0] == name)
        ours = [f" ({os.path.basename(key[1])}:{key[2]})" for key in rows if key[0] == name]
        ours += [f" ({key[1]}:{key[2]})" for key in rows if key[0] == name]
        assert sorted(calls for label, calls in found.items() if label in {name + place for place in ours}) == expected, name


@pytest.mark.flamegraph
def test_collapsed(same_names, consumers):
    """flamegraph.pl sums up no function; its titles hold what is at or below one place of the tree."""
    rows, whole, export = same_names
    assert "same_names.py" in consumers.flamegraph(export("collapsed", "-m", "calls"))
    own = collections.Counter()
    for line in export("collapsed", "-m", "calls").read_text().splitlines():
        stack, value = line.rsplit(" ", 1)
        own[stack.rsplit(";", 1)[-1]] += int(value)
    for (name, file, line), row in rows.items():
        is_twin = file != str(PROGRAM)
        assert own[f"{name} ({file if is_twin else os.path.basename(file)}:{line})"] == row["calls"]


def own_of(consumers, document, profile, kept):
    """Self figures of a speedscope document by frame, summed over frames for which ``kept`` gives one key."""
    found = collections.Counter()
    for stack, value in consumers.folded(document, profile).items():
        if key := kept(stack[-1]):
            found[key] += value
    return found


@pytest.mark.npm
@pytest.mark.browser
def test_speedscope(same_names, consumers, playwright):
    rows, whole, export = same_names
    document, complaints = consumers.speedscope(playwright, export("speedscope"))
    assert complaints == []
    frames = document["shared"]["frames"]
    for i, frame in enumerate(frames):  # stacks of frames, not of names
        frame["name"] = (frame["name"], frame.get("file"), frame.get("line"), i)
    found = own_of(consumers, document, "calls", lambda frame: frame[:3] if frame[:3] in rows else None)
    assert found == {key: row["calls"] for key, row in rows.items()}


@pytest.mark.npm
@pytest.mark.browser
def test_perfetto(same_names, consumers, playwright):
    rows, whole, export = same_names
    document, complaints = consumers.speedscope(playwright, export("perfetto"))
    assert complaints == []
    (profile,) = [profile["name"] for profile in document["profiles"] if "by cpu" in profile["name"]]
    for name in NAMES:
        expected = sorted(row["self_cpu_s"] * 1e6 for key, row in rows.items() if key[0] == name and row["self_cpu_s"])
        # speedscope shows a slice as "NAME ARGS".
        places = [f"{key[1]}:{key[2]}" for key in rows if key[0] == name]
        kept = lambda text, name=name, places=places: next((p for p in places if text.startswith(name) and f'"{p}"' in text), None)
        assert sorted(own_of(consumers, document, profile, kept).values()) == pytest.approx(expected, abs=0.01), name
    # Perfetto sums up a selection by name alone.
    places = collections.defaultdict(set)
    for event in json.loads(export("perfetto").read_text())["traceEvents"]:
        if event["ph"] == "B" and event["cat"] == "python":
            places[event["name"]].add(event["args"]["where"])
    assert all(len(where) == 1 for where in places.values())


@pytest.mark.npm
def test_firefox(same_names, consumers, tmp_path):
    rows, whole, export = same_names
    with consumers.FirefoxProfiler(export("firefox"), tmp_path) as profiler:
        info = profiler.ask("profile", "info", "--all")
        (calls,) = re.findall(r"(t-\d+): calls \[", info)
        text = profiler.ask("thread", "functions", "--thread", calls, "--limit", "0")
    found = collections.defaultdict(list)
    for name, own in re.findall(r"(\S+) - self: (\d+) ", text):
        found[name].append(int(own))
    for name in set(NAMES) - {"<module>"}:  # of which there are others
        assert sorted(found[name]) == sorted(row["calls"] for key, row in rows.items() if key[0] == name), name
