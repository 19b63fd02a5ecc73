"""A trace read by every command and by Python: forms, statuses, and that all of them say the same."""

import csv
import io
import json
import os
import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

PROGRAM = """
import rubinprof

def work(n):
    return [str(i) for i in range(n)]

for i in range(3):
    with rubinprof.region("step", number=i):
        kept = work(2000)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("trace")
    (path / "program.py").write_text(PROGRAM)
    done = command("run", "-o", path / "t.rprof", path / "program.py")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def trace(directory):
    return directory / "t.rprof"


def command(*words, **how):
    words = [sys.executable, "-m", "rubinprof", *map(str, words)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, **how)


def json_of(*words):
    done = command(*words, "--json")
    assert done.returncode == 0 and done.stderr == "", done
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["stats", "table", "tree", "regions", "verify", "dump"])
def test_text_is_plain_when_piped(name, trace):
    done = command(name, trace)
    assert done.returncode == 0 and done.stderr == "" and done.stdout
    assert "\x1b" not in done.stdout


def test_commands_and_python_agree(trace):
    with rubinprof.open(trace) as opened:
        assert json_of("stats", trace) == opened.stats()
        assert json_of("table", trace)["rows"] == opened.table()
        assert json_of("table", trace, "--by", "line", "-m", "allocated")["rows"] == opened.table("line", "allocated")
        assert json_of("tree", trace) == opened.tree()
        assert json_of("regions", trace)["rows"] == opened.regions()
        assert json_of("lines", trace, "program.py")["rows"] == opened.lines("program.py")
        assert opened.is_whole() and opened.files == [(str(trace), None)]


def test_keys_of_stats(trace):
    promised = """schema complete lost_events lost_bytes mode clock writer python command processes threads wall_s cpu_s calls
        allocations deallocations allocated_bytes peak_bytes peak_at_s leaked_bytes by_allocator size_histogram top_by_bytes
        top_by_count samples events file_bytes raw_bytes overhead_s"""
    assert set(promised.split()) <= json_of("stats", trace).keys()


def test_keys_of_rows(trace):
    promised = """function file line module kind inlined calls self_cpu_s total_cpu_s self_wall_s total_wall_s allocations
        allocated_bytes peak_bytes leaked_bytes"""
    for row in json_of("table", trace)["rows"]:
        assert set(promised.split()) <= row.keys()
        assert row["kind"] in ("python", "native")


@pytest.mark.parametrize("words", [["table"], ["regions"]])
def test_csv_has_the_same_rows(words, trace):
    rows = list(csv.DictReader(io.StringIO(command(*words, trace, "--csv").stdout)))
    assert len(rows) == len(json_of(*words, trace)["rows"])


@pytest.mark.parametrize("by", ["function", "line", "file", "module", "thread", "region"])
@pytest.mark.parametrize("metric", ["cpu", "wall", "gil_wait", "calls", "allocated", "allocations", "peak", "leaked", "temporary"])
def test_every_table(by, metric, trace):
    with rubinprof.open(trace) as opened:
        if (by, metric) == ("region", "temporary"):  # regions have no such figure
            with pytest.raises(ValueError, match="temporary"):
                opened.table(by, metric, n=3)
            return
        rows = opened.table(by, metric, n=3)
        assert 0 < len(rows) <= 3


def test_a_region_alone(trace):
    with rubinprof.open(trace) as opened:
        calls = {region: sum(row["calls"] for row in opened.table(region=region) if row["function"] == "work") for region in (0, "step")}
    assert calls == {0: 1, "step": 3}


def test_a_directory_is_one_trace(directory):
    assert json_of("stats", directory)["calls"] == json_of("stats", directory / "t.rprof")["calls"]


def test_a_trace_that_is_there_twice_counts_once(trace, tmp_path):
    """By two paths, by a link, as a copy; of a cut copy and the whole, the whole."""
    alone = json_of("stats", trace)
    (tmp_path / "link.rprof").symlink_to(trace)
    (tmp_path / "copy.rprof").write_bytes(trace.read_bytes())
    (tmp_path / "a-cut.rprof").write_bytes(trace.read_bytes()[:-100])
    for more in ([trace.parent / "." / trace.name], [f"{trace.parent}/./{trace.name}"], [tmp_path / "link.rprof"], [tmp_path / "copy.rprof"], [tmp_path]):
        stats = json_of("stats", trace, *more)
        assert (stats["processes"], stats["calls"], stats["complete"]) == (1, alone["calls"], True), more


@pytest.mark.parametrize(
    "words", [["lines", "nowhere.py"], ["table", "--region", "nowhere"], ["tree", "--region", "77"], ["flamegraph", "--region", "nowhere", "-o", "x.html"]]
)
def test_what_is_not_in_the_trace(words, trace, tmp_path):
    done = command(words[0], trace, *words[1:], cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and words[-1 if words[0] != "flamegraph" else 2] in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_cut_trace(trace, tmp_path):
    cut = tmp_path / "cut.rprof"
    cut.write_bytes(trace.read_bytes()[:-100])
    done = command("verify", cut)
    assert done.returncode == 1 and done.stderr == "" and str(cut) in done.stdout
    with rubinprof.open(cut) as opened:
        assert not opened.is_whole()
    done = command("recover", cut, "-o", tmp_path / "out.rprof")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[0].startswith("kept ") and lines[1] == f"{cut}: not whole"
    assert any("known up to" in line for line in lines)
    assert json_of("stats", tmp_path / "out.rprof")["calls"] > 0
    again = command("recover", cut, "-o", tmp_path / "out.rprof")
    assert again.returncode == 2 and "out.rprof" in again.stderr


def test_a_reader_that_leaves_early(trace):
    line = f"'{sys.executable}' -m rubinprof dump '{trace}' | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "" and len(done.stdout.splitlines()) == 1


def test_output_that_cannot_be_written(trace):
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "rubinprof", "dump", str(trace)], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "No space left" in done.stderr


def test_ascii_terminals(trace):
    done = command("tree", trace, env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"})
    assert done.returncode == 0 and done.stdout.isascii()


def test_flamegraph_to_the_trace_itself(trace):
    before = trace.read_bytes()
    done = command("flamegraph", trace, "-o", trace)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert trace.read_bytes() == before


def test_flamegraph_is_named_after_the_trace(trace, tmp_path):
    done = command("flamegraph", trace, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout == "t.html\n"
    assert [path.name for path in tmp_path.iterdir()] == ["t.html"]


def test_what_a_receiver_raises_comes_through(trace):
    with rubinprof.open(trace) as opened:
        chunks = []
        assert opened.report("dump", write=chunks.append) is None
        assert b"".join(chunks) == opened.report("dump")
        with pytest.raises(ZeroDivisionError):
            opened.report("dump", write=lambda chunk: 1 / 0)
        assert opened.stats()["calls"] > 0  # still good
        with pytest.raises(ValueError):
            opened.report("nonsense")
        with pytest.raises(ValueError):
            opened.table(by="colour")
    with pytest.raises(ValueError, match="closed"):
        opened.stats()


@pytest.mark.parametrize("name", ["stats", "table", "tree", "regions"])
def test_a_trace_cut_before_its_first_block_ended(trace, tmp_path, name):
    cut = tmp_path / "cut.rprof"
    cut.write_bytes(trace.read_bytes()[:1100])
    done = command(name, cut)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing left to read" in done.stderr and str(cut) in done.stderr and done.stderr.count("\n") == 1
