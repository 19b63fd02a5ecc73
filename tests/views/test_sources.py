"""Text of source files, captured with the trace: shown where the files are not, and told from what lies here now."""

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile

import pytest

import rubinprof
from rubinprof.reports.source_file import SourceTexts

pytestmark = pytest.mark.linux

PROGRAM = """import helper
for _ in range(3):
    helper.work(1000)
"""
HELPER = """def work(n):
    return sum(i * i for i in range(n))  # Fl\N{LATIN SMALL LETTER U WITH DIAERESIS}che
"""


@pytest.fixture
def program(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "main.py").write_text(PROGRAM, encoding="utf-8")
    (home / "helper.py").write_text(HELPER, encoding="utf-8")
    (home / "helper.txt").write_text("not source")
    return home / "main.py"


def captured(path):
    with rubinprof.open(path) as trace:
        return {os.path.basename(row["file"]): row for row in trace.sources()}


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_files_that_ran_are_in_the_trace(program, tmp_path, rubinprof_command, mode):
    path = tmp_path / "t.rprof"
    if mode == "sampled":
        program.with_name("helper.py").write_text(HELPER.replace("range(n)", "range(400 * n)"), encoding="utf-8")
        options = ["--cpu", "sampled", "--memory", "off", "--sample-hz", "1000"]
    else:
        options = []
    assert rubinprof_command("run", "--sources", *options, "-o", path, program).returncode == 0
    shown = captured(path)
    assert shown["helper.py"]["text"] == program.with_name("helper.py").read_text(encoding="utf-8")
    assert shown["helper.py"]["whole"] and shown["helper.py"]["bytes"] == program.with_name("helper.py").stat().st_size
    assert shown["main.py"]["text"] == PROGRAM
    assert str(program) in rubinprof_command("sources", path).stdout


def test_nothing_of_it_unless_asked(program, tmp_path, rubinprof_command):
    path = tmp_path / "t.rprof"
    assert rubinprof_command("run", "-o", path, program).returncode == 0
    assert captured(path) == {} and b"sum(i * i" not in path.read_bytes()
    assert "--sources" in rubinprof_command("sources", path).stdout


def test_code_is_shown_where_the_files_are_gone(program, tmp_path, rubinprof_command):
    path = tmp_path / "t.rprof"
    with_text = ["run", "--sources", "-o", path, program]
    assert rubinprof_command(*with_text).returncode == 0
    shutil.rmtree(program.parent)
    lines = rubinprof_command("lines", path, "helper.py")
    assert "return sum(i * i" in lines.stdout and "different" not in lines.stdout
    assert rubinprof_command("report", path, "-o", tmp_path / "page.html").returncode == 0
    sources = page_sources(tmp_path / "page.html")
    assert sources[str(program.with_name("helper.py"))] == {"text": HELPER, "note": "", "own": True}
    assert rubinprof_command("report", path, "--no-source", "-o", tmp_path / "bare.html").returncode == 0
    assert page_sources(tmp_path / "bare.html") == {}


def page_sources(page):
    import base64
    import gzip
    import re

    block = re.search(r'id="rp-data-carried">([^<]*)<', page.read_text(encoding="utf-8"))[1]
    return {row.pop("file"): row for row in json.loads(gzip.decompress(base64.b64decode(block)))["sources"]}


def test_a_file_that_has_changed_since_is_told(program, tmp_path, rubinprof_command):
    kept, bare = tmp_path / "kept.rprof", tmp_path / "bare.rprof"
    assert rubinprof_command("run", "--sources", "-o", kept, program).returncode == 0
    assert rubinprof_command("run", "-o", bare, program).returncode == 0
    helper = program.with_name("helper.py")
    helper.write_text("# another\n" + HELPER, encoding="utf-8")
    os.utime(helper, (4e9, 4e9))  # long after the run
    assert "as it was when the run was traced" in rubinprof_command("lines", kept, "helper.py").stdout
    assert "# another" not in rubinprof_command("lines", kept, "helper.py").stdout
    assert "lines may not match" in rubinprof_command("lines", bare, "helper.py").stdout


def test_a_long_file_is_left_out_and_counted(program, tmp_path, rubinprof_command):
    program.with_name("helper.py").write_text(HELPER + "#" * (512 << 10), encoding="utf-8")
    path = tmp_path / "t.rprof"
    assert rubinprof_command("run", "--sources", "-o", path, program).returncode == 0
    assert "helper.py" not in captured(path)
    assert json.loads(rubinprof_command("sources", "--json", path).stdout)["left_out"] == 1


def test_what_a_kill_leaves(tmp_path):
    program = tmp_path / "main.py"
    program.write_text(
        "import os, signal, time, rubinprof\n"
        "def work():\n    return os.getpid()\n"
        "with rubinprof.Tracker('t.rprof', sources=True) as tracker:\n"
        "    work()\n"
        "    while not any(row['file'] == __file__ for row in rubinprof.open(tracker.path).sources()):\n"
        "        time.sleep(0.02)\n"
        "    os.kill(work(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, str(program)], cwd=tmp_path, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert captured(tmp_path / "t.rprof")["main.py"]["text"] == program.read_text()


def test_a_forked_child_keeps_its_own(program, tmp_path):
    program.write_text(
        "import os, rubinprof, helper\n"
        "with rubinprof.Tracker('t.rprof', sources=True):\n"
        "    helper.work(10)\n"
        "    child = os.fork()\n"
        "    helper.work(10)\n"
        "    if not child:\n        raise SystemExit\n"
        "    os.waitpid(child, 0)\n"
    )
    subprocess.run([sys.executable, str(program)], cwd=program.parent, timeout=60, check=True)
    traces = sorted(program.parent.glob("*.rprof"))
    assert len(traces) == 2 and all(captured(path)["helper.py"]["text"] == HELPER for path in traces)
    with rubinprof.open(*traces) as both:
        assert [row["differs"] for row in both.sources() if row["file"].endswith("helper.py")] == [False]


def test_lines_are_counted_as_python_counts_them(tmp_path, rubinprof_command):
    """A form feed, a vertical tab or a line separator ends no line."""
    program = tmp_path / "pages.py"
    program.write_text('"""Pages."""\n\f\ndef quiet():\n    pass\n\n# \u2028 pasted \v \x85 \x1c\ndef busy():\n    return sum(range(10**6))\nbusy()\n', encoding="utf-8")
    assert rubinprof_command("run", "-o", tmp_path / "t.rprof", program).returncode == 0
    text = rubinprof_command("lines", tmp_path / "t.rprof", "pages.py").stdout
    assert any(line.lstrip().startswith("8 ") and line.endswith("return sum(range(10**6))") for line in text.splitlines()), text


@pytest.mark.parametrize("is_kept", [False, True])
def test_the_declared_encoding_is_honoured(tmp_path, rubinprof_command, is_kept):
    program = tmp_path / "old.py"
    program.write_bytes("# -*- coding: iso-8859-15 -*-\ndef work():\n    return 'Fl\xe4che \u20ac'\nwork()\n".encode("iso-8859-15"))
    assert rubinprof_command("run", *["--sources"] * is_kept, "-o", tmp_path / "t.rprof", program).returncode == 0
    if is_kept:
        program.unlink()
    assert "'Fl\xe4che \u20ac'" in rubinprof_command("lines", tmp_path / "t.rprof", "old.py").stdout


def test_an_edit_is_seen_though_time_and_length_are_as_before(program, tmp_path, rubinprof_command):
    """And a file that was only touched is not called changed."""
    path, helper = tmp_path / "t.rprof", program.with_name("helper.py")
    assert rubinprof_command("run", "-o", path, program).returncode == 0
    before = helper.stat()
    os.utime(helper, (4e9, 4e9))
    assert "may not match" not in rubinprof_command("lines", path, "helper.py").stdout
    helper.write_text(HELPER.replace("i * i", "i + i"), encoding="utf-8")
    os.utime(helper, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert helper.stat().st_size == before.st_size
    assert "lines may not match" in rubinprof_command("lines", path, "helper.py").stdout


def test_a_member_of_an_archive_is_shown(tmp_path, rubinprof_command):
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as archive:
        archive.writestr("__main__.py", "import inside.deep\ninside.deep.work()\n")
        archive.writestr("inside/__init__.py", "")
        archive.writestr("inside/deep.py", "def work():\n    return sum(range(1000))\n")
    program = tmp_path / "main.py"
    program.write_text(f"import sys\nsys.path.insert(0, {str(tmp_path / 'app.zip')!r})\nimport inside.deep\ninside.deep.work()\n")
    assert rubinprof_command("run", "-o", tmp_path / "t.rprof", program).returncode == 0
    assert "return sum(range(1000))" in rubinprof_command("lines", tmp_path / "t.rprof", "deep.py").stdout


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_relative_file_is_from_where_the_program_started(tmp_path, rubinprof_command, is_kept):
    (tmp_path / "rel.py").write_text("def work():\n    return sum(range(1000))\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "main.py").write_text(
        "import os\nscope = {}\nexec(compile(open('rel.py').read(), 'rel.py', 'exec'), scope)\nos.chdir('elsewhere')\nscope['work']()\n"
    )
    words = ["run", *["--sources"] * is_kept, "-o", tmp_path / "t.rprof", "main.py"]
    assert rubinprof_command(*words, cwd=tmp_path).returncode == 0
    if is_kept:
        (tmp_path / "rel.py").unlink()
    assert "return sum(range(1000))" in rubinprof_command("lines", tmp_path / "t.rprof", "rel.py").stdout


def test_what_is_no_file_is_told(tmp_path, rubinprof_command):
    assert rubinprof_command("run", "-o", tmp_path / "t.rprof", "-c", "def work(): return sum(range(1000))\nwork()").returncode == 0
    text = rubinprof_command("lines", tmp_path / "t.rprof", "<string>").stdout
    assert "not of a file" in text and "--sources" not in text


def test_a_cell_is_shown_to_the_process_that_ran_it(tmp_path):
    """As a notebook's kernel keeps its cells: in linecache, under a name that is no file."""
    program = tmp_path / "kernel.py"
    program.write_text(
        "import linecache, rubinprof\n"
        "from rubinprof.reports.source_file import SourceTexts\n"
        "cell, name = 'def work():\\n    return sum(range(1000))\\nwork()\\n', '/tmp/ipykernel_1/2.py'\n"
        "linecache.cache[name] = (len(cell), None, cell.splitlines(True), name)\n"
        "with rubinprof.Tracker('t.rprof'):\n    exec(compile(cell, name, 'exec'))\n"
        "with rubinprof.open('t.rprof') as trace:\n    assert SourceTexts(trace).read(name) == (cell, '')\n"
    )
    subprocess.run([sys.executable, str(program)], cwd=tmp_path, timeout=60, check=True)
    with rubinprof.open(tmp_path / "t.rprof") as trace:
        found = SourceTexts(trace).read("/tmp/ipykernel_1/2.py")
    assert found.text == "" and "a cell of a notebook" in found.note
