"""rubinprof lines: the source with the figures beside it."""

import re
import shutil

import pytest

import rubinprof

pytestmark = pytest.mark.linux


def test_the_source_stands_beside_its_figures(traces, rubinprof_command):
    text = rubinprof_command("lines", traces.a[0], "work.py", "--width", "100").stdout
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


def test_several_files_of_a_name_are_told(tmp_path, rubinprof_command):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "same.py").write_text("def work():\n    return sum(range(1000))\n")
    (tmp_path / "main.py").write_text("import one.same, two.same\none.same.work()\ntwo.same.work()\n")
    assert rubinprof_command("run", "-o", tmp_path / "t.rprof", tmp_path / "main.py").returncode == 0
    both = rubinprof_command("lines", tmp_path / "t.rprof", "same.py").stdout
    assert "2 files of the trace end in same.py" in both and "one/same.py" in both and "two/same.py" in both
    for word in ("./same.py", "../one/same.py"):
        one = rubinprof_command("lines", tmp_path / "t.rprof", word, cwd=tmp_path / "one").stdout
        assert "one/same.py" in one and "two/same.py" not in one and "files of the trace" not in one
    with rubinprof.open(tmp_path / "t.rprof") as trace:
        assert len(trace.lines("same.py")) == 2 * len(trace.lines("two/same.py")) > 0
    for format in ("--json", "--csv"):
        text = rubinprof_command("lines", tmp_path / "t.rprof", "same.py", format).stdout
        assert "one/same.py" in text and "two/same.py" in text
        assert format == "--json" or text.count("own_cpu_s,") == 1


def test_wall_leaked_and_percent_and_own_files_first(tmp_path, rubinprof_command):
    """Of several files of one name the reader's own comes first, a library's after it, and the head says that there are several."""
    package = tmp_path / "lib" / "python3" / "site-packages" / "other"
    package.mkdir(parents=True)
    (package / "work.py").write_text("def busy():\n    return sum(i * i for i in range(300_000))\n")
    program = tmp_path / "work.py"
    program.write_text(f"import sys\nsys.path.insert(0, {str(package.parent)!r})\nimport other.work\nother.work.busy()\nkept = bytearray(3_000_000)\n")
    assert rubinprof_command("run", "-o", tmp_path / "w.rprof", program).returncode == 0
    text = rubinprof_command("lines", tmp_path / "w.rprof", "work.py").stdout
    assert text.startswith("2 files of the trace end in work.py, own code and the heaviest first")
    assert text.index(f"\n{program}\n") < text.index(f"\n{package / 'work.py'}\n")
    head = next(line for line in text.splitlines() if "line CPU" in line)
    assert head.split() == "line line CPU percent total CPU total wall calls out allocated peak leaked source".split()
    assert "A wider window" not in text
    for columns in (80, 160):
        shown = rubinprof_command("lines", tmp_path / "w.rprof", program, "--width", columns).stdout
        assert ("total wall" in shown.split("source")[0]) == (columns == 160) == ("A wider window" not in shown)
    kept = next(line for line in text.splitlines() if "kept = bytearray" in line)
    assert len(re.findall("2.86 MiB", kept)) == 3
    assert re.search(r"^ +2 .* \d+\.\d % ", text, re.MULTILINE)
