"""Names of a traced program can carry anything. No output of any command lets one act.

A new command or format is one more line in PRODUCERS; the formats of `export` are found by themselves.
"""

import csv
import io
import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import rubinprof
from rubinprof import exports

pytestmark = pytest.mark.linux

PROGRAM = Path(__file__).parents[1] / "programs" / "hostile.py"
NAMES = runpy.run_path(str(PROGRAM))["NAMES"]

PRODUCERS = {
    "stats": ["stats", "T"],
    "stats --json": ["stats", "T", "--json"],
    "tree": ["tree", "T"],
    "tree --json": ["tree", "T", "--json"],
    "regions": ["regions", "T"],
    "regions --json": ["regions", "T", "--json"],
    "regions --csv": ["regions", "T", "--csv"],
    **{f"{words[0]} {' '.join(words[1:])}": [words[0], "T", *words[1:]] for words in (
        ["leaks"], ["leaks", "--json"], ["leaks", "--csv"], ["leaks", "--by", "file"],
        ["temporary"], ["temporary", "--json"], ["temporary", "--csv"], ["temporary", "--native"], ["top", "--once"],
    )},
    "verify": ["verify", "T"],
    "verify --json": ["verify", "T", "--json"],
    "dump": ["dump", "T"],
    "diff": ["diff", "T", "T"],
    "diff --json": ["diff", "T", "T", "--json"],
    "diff --csv": ["diff", "T", "T", "--csv"],
    **{f"table {by}": ["table", "T", "--by", by, "--metric", "allocated"] for by in ("function", "line", "file", "module", "thread", "region")},
    "table --json": ["table", "T", "--json"],
    "table --csv": ["table", "T", "--csv", "--by", "line"],
    **{f"lines {i}": ["lines", "T", name] for i, name in enumerate(NAMES[:10])},
}
BINARY = {"pstats", "pprof", "parquet"}

UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hostile")
    done = subprocess.run([sys.executable, PROGRAM], cwd=directory, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    with rubinprof.open(directory / "hostile.rprof") as trace:
        found = {row["function"] for row in trace.table()}
    assert NAMES[0] in found and NAMES[4] in found
    return directory


def run(directory, words):
    words = ["hostile.rprof" if word == "T" else word for word in words]
    # As in a terminal of some width, with color where a command has it.
    done = subprocess.run([sys.executable, "-m", "rubinprof", *words], cwd=directory, capture_output=True, timeout=120)
    assert done.returncode in (0, 2), done.stderr
    assert b"Traceback" not in done.stderr
    assert not UNSAFE.search(done.stderr.decode()), done.stderr
    return done.stdout.decode()  # valid UTF-8


def check_csv(text):
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")) or re.fullmatch(r"-?\d+(\.\d+)?", cell), cell


@pytest.mark.parametrize("name", PRODUCERS)
def test_commands(directory, name):
    words = PRODUCERS[name]
    text = run(directory, ["--" if word == "" else word for word in words])
    if "--json" in words:
        json.loads(text, parse_constant=pytest.fail)
        assert "<" not in text or words[0] in ("diff", "leaks", "temporary")  # the analyzer's own JSON may stand in a page
    elif "--csv" in words:
        check_csv(text)
        text = text.replace("\r\n", "\n")
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text)
    else:
        assert not UNSAFE.search(text), UNSAFE.search(text)
    assert len(text) < 16 << 20


@pytest.mark.parametrize("name", exports.FORMATS)
def test_exports(directory, name):
    out = directory / f"out.{name}"
    done = subprocess.run(
        [sys.executable, "-m", "rubinprof", "export", "hostile.rprof", "--format", name, "-o", out],
        cwd=directory,
        capture_output=True,
        text=True,
    )
    if done.returncode == 2 and "install" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert (done.returncode, done.stderr) == (0, "")
    assert out.stat().st_size < 64 << 20
    if name in BINARY:
        return
    text = out.read_bytes().decode()  # valid UTF-8
    if out.read_bytes()[:1] in b"{[":
        json.loads(text, parse_constant=pytest.fail)
    elif name == "csv":
        check_csv(text)
    else:
        assert not UNSAFE.search(text), UNSAFE.search(text)
        assert not re.search("^fn=\\(0\\) injected", text, re.M)


@pytest.mark.parametrize("command", [["flamegraph", "hostile.rprof"], ["report", "hostile.rprof"], ["diff", "hostile.rprof", "hostile.rprof"]])
def test_the_pages_have_no_scripts_of_others(directory, command):
    done = subprocess.run([sys.executable, "-m", "rubinprof", *command, "-o", "x.html"], cwd=directory, capture_output=True)
    assert done.returncode == 0, done.stderr
    page = (directory / "x.html").read_bytes().decode()
    assert "<script>window.hacked" not in page and "<img src=x" not in page and "<svg onload" not in page
    assert "\x1b" not in page and "\x00" not in page
