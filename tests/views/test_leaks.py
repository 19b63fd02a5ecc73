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
