"""docs/guide/tutorial.md: its commands run as they stand there, and its programs show what it says of them."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rubinprof

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"
PAGE = (GUIDE / "tutorial.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines()]


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The folder of somebody who typed every command of the page."""
    pytest.importorskip("numpy")
    home = tmp_path_factory.mktemp("tutorial")
    for program in ("coadd.py", "coadd_mended.py"):
        shutil.copy(GUIDE / "examples" / program, home)
    for line in COMMANDS:
        tool, *words = shlex.split(line)
        assert tool == "rubinprof"
        done = subprocess.run([sys.executable, "-m", tool, *words], cwd=home, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return home


def test_the_lines_that_it_names_are_the_heaviest(followed):
    trace = rubinprof.open(followed / "before.rprof")
    rows = {row["line"]: row for row in trace.lines("coadd.py")}
    assert max(rows, key=lambda line: rows[line]["calls_out"] or 0) == 20
    assert max(rows, key=lambda line: rows[line]["peak_bytes"] or 0) == 12
    assert rows[12]["peak_bytes"] == pytest.approx(20 * 8e6, rel=0.01)


def test_the_mended_program_holds_a_tenth(followed):
    before, after = (rubinprof.open(followed / f"{name}.rprof").stats() for name in ("before", "after"))
    assert after["peak_bytes"] < before["peak_bytes"] / 5
    assert after["calls"] < before["calls"] / 10


def test_the_page_shows_the_mended_functions_as_they_are():
    (shown,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    assert shown in (GUIDE / "examples" / "coadd_mended.py").read_text(encoding="utf-8")
