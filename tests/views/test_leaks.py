"""rubinprof leaks and temporary on a program that keeps 1 MB three times and passes by 50 kB sixty times."""

import csv
import io
import json

import pytest

import rubinprof

pytestmark = pytest.mark.linux


def test_leaks_are_where_and_when_they_were_made(traces, rubinprof_command):
    found = json.loads(rubinprof_command("leaks", traces.a[0], "--json").stdout)
    stats = rubinprof.open(traces.a[0]).stats()
    assert sum(row["leaked_bytes"] for row in found["rows"]) == found["leaked_bytes"] == stats["leaked_bytes"]
    (keep,) = [row for row in found["rows"] if row["function"] == "keep"]
    assert keep["leaked_bytes"] == pytest.approx(3_000_000, rel=0.01)
    source = traces.program.read_text().splitlines()
    assert "bytearray" in source[keep["line"] - 1]
    with rubinprof.open(traces.a[0]) as trace:
        visits = trace.regions()
    begin = [visit["start_s"] for visit in visits]
    step = found["length_s"] / 512
    # In the first visit and in the last.
    assert begin[0] - step <= keep["first_s"] <= begin[0] + visits[0]["wall_s"]
    assert begin[2] <= keep["last_s"] <= begin[2] + visits[2]["wall_s"] + step
    assert sum(keep["born"]) == keep["leaked_bytes"]


@pytest.mark.parametrize("by", ["line", "function", "file"])
def test_leaks_by(traces, rubinprof_command, by):
    rows = list(csv.DictReader(io.StringIO(rubinprof_command("leaks", traces.a[0], "--by", by, "--csv").stdout)))
    work = [row for row in rows if row["file"] == str(traces.program)]
    assert int(work[0]["leaked_bytes"]) == pytest.approx(3_000_000, rel=0.01)
    assert work[0]["function"] == ("" if by == "file" else "keep")


def test_temporary(traces, rubinprof_command):
    found = json.loads(rubinprof_command("temporary", traces.a[0], "--json").stdout)
    (passed,) = [row for row in found["rows"] if row["function"] == "pass_by"]
    assert passed["temporary_allocations"] == 60
    assert passed["temporary_bytes"] == pytest.approx(60 * 50_000, rel=0.01)
    native = json.loads(rubinprof_command("temporary", traces.a[0], "--by", "function", "--native", "--json").stdout)
    assert all(row["kind"] == "native" for row in native["rows"]) and native["rows"]


@pytest.mark.parametrize("command", ["leaks", "temporary"])
def test_text(traces, rubinprof_command, command):
    text = rubinprof_command(command, traces.a[0], "-n", "2", "--width", "100").stdout
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 100
    assert "work.py:" in text
    ascii_text = rubinprof_command(command, traces.a[0], "-n", "2", env={"PYTHONIOENCODING": "ascii", "PATH": ""}).stdout
    assert ascii_text.isascii() and (command == "temporary" or "#" in ascii_text)


def test_of_a_region_or_a_stretch(traces, rubinprof_command, analyze_command):
    """The second of three visits keeps 1 MB of the three, and passes by a third of the buffers."""
    with rubinprof.open(traces.a[0]) as trace:
        visit = trace.regions()[1]
        begin, end = visit["start_s"], visit["start_s"] + visit["wall_s"]
        stretch = {"from_s": begin, "to_s": end}
        for limited in ({"region": visit["index"]}, stretch):
            keep = next(row for row in trace.leaks(**limited) if row["function"] == "keep")
            assert keep["leaked_bytes"] == pytest.approx(1_000_000, rel=0.01) and ("born" in keep) == ("region" in limited)
            passed = next(row for row in trace.temporary(**limited) if row["function"] == "pass_by")
            assert passed["temporary_allocations"] == 20
        assert sum(row["leaked_bytes"] for row in trace.leaks(region="visit")) == trace._json("leaks", region="visit")["leaked_bytes"] >= 3_000_000
    for command in ("leaks", "temporary"):
        words = [command, traces.a[0], "--region", "visit", "-n", "3"]
        done = rubinprof_command(*words)
        assert done.returncode == 0 and done.stdout == analyze_command(*words).stdout
        assert rubinprof_command(command, traces.a[0], "--region", "nothing").returncode == 2
        some = rubinprof_command(command, traces.a[0], "--from", f"{begin:.9f}", "--to", f"{end:.9f}")
        assert some.returncode == 0 and "allocated when" not in some.stdout and "work.py" in some.stdout
    assert "lived when the region ended" in rubinprof_command("leaks", traces.a[0], "--region", "visit").stdout
