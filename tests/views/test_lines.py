"""rubinprof lines: the source with the figures beside it."""

import re
import shutil

import pytest

pytestmark = pytest.mark.linux


def test_the_source_stands_beside_its_figures(traces, rubinprof_command):
    text = rubinprof_command("lines", traces.a[0], "work.py").stdout
    lines = {int(m[1]): line for line in text.splitlines() if (m := re.match(r" *(\d+) ", line))}
    source = traces.program.read_text().splitlines()
    call = next(i for i, line in enumerate(source, 1) if "fit(3)" in line)
    assert re.search(r" 30 .*  +fit\(3\)$", lines[call])  # called 30 times from here
    kept = next(i for i, line in enumerate(source, 1) if "kept.append" in line)
    assert re.search(r"2\.86 MiB +2\.86 MiB +kept\.append", lines[kept])
    assert "def keep(bytes_each):" in text  # lines around it
    assert max(map(len, text.splitlines())) <= 100 and "\x1b" not in text


def test_without_the_source_the_function_stands_there(tmp_path, traces, rubinprof_command):
    program, trace = tmp_path / "gone.py", tmp_path / "gone.rprof"
    shutil.copy(traces.program, program)
    assert rubinprof_command("run", "-o", trace, program).returncode == 0
    program.unlink()
    text = rubinprof_command("lines", trace, "gone.py").stdout
    assert re.search(r"2\.86 MiB +2\.86 MiB +keep$", text, re.MULTILINE) and "run --sources" in text
