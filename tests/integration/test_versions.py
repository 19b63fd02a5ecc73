"""A trace made on one CPython is read by every other, with the same figures."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
class Point:
    def __init__(self, x):
        self.x = x

def numbers(n):
    yield from range(n)

def work():
    return [Point(x) for x in numbers(500)], bytearray(123_456)

work()
"""
READ = "import json, sys, rubinprof; t = rubinprof.open(sys.argv[1]); print(json.dumps([t.stats(), " \
    "t.table(by='function'), t.table(by='line'), t.tree()]))"
CALLS = {"work": 1, "numbers": 501, "Point.__init__": 500}


def environments():
    """Every environment that `make check` has made, this one first."""
    here = Path(sys.prefix)
    others = [p for p in here.parent.glob("3.*") if p != here and (p / "bin/rubinprof").exists()]
    return [sys.executable, *(str(p / "bin/python") for p in sorted(others))]


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("maker", environments())
def test_every_version_reads_it(maker, tmp_path):
    program, trace = tmp_path / "program.py", tmp_path / "made.rprof"
    program.write_text(PROGRAM)
    run(maker, "-m", "rubinprof", "run", "-o", trace, program)
    read = [json.loads(run(reader, "-c", READ, trace)) for reader in environments()]
    assert all(one == read[0] for one in read[1:])
    stats, functions, lines, _ = read[0]
    assert stats["complete"]
    calls = {row["function"]: row["calls"] for row in functions}
    assert {name: calls[name] for name in CALLS} == CALLS
    assert any(line["allocated_bytes"] >= 123_456 and line["file"] == str(program) for line in lines)
