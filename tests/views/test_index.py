"""The index beside a trace: the second question is answered from it, by the same bytes, and only while it is that of this trace."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

import rubinprof

pytestmark = pytest.mark.linux

REPORTS = [
    ("stats", {}), ("regions", {}), ("table", {}), ("table", {"by": "line", "metric": "peak"}), ("table", {"by": "file"}),
    ("table", {"by": "thread"}), ("table", {"region": "work"}), ("table", {"keep_dispatch": True}), ("lines", {}), ("tree", {}), ("flame", {}),
    ("page", {}), ("stats", {"from_s": 0.001}), ("collapsed", {"format": "text"}), ("losses", {"format": "text"}),
    ("leaks", {"format": "text"}), ("leaks", {}),
]  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, rubinprof_command, forked_program):
    """Traces of four processes, exact; and of four, sampled, one of them cut short."""
    found = tmp_path_factory.mktemp("index")
    for name, words in (("exact", []), ("sampled", ["--cpu", "sampled", "--memory", "sampled"])):
        (found / name).mkdir()
        done = rubinprof_command("run", "-q", *words, "-o", found / name, forked_program, 3, 50)
        assert done.returncode == 0, done.stderr
    cut = sorted((found / "sampled").iterdir())[0]
    cut.write_bytes(cut.read_bytes()[:-500])
    return found


@pytest.fixture(params=["exact", "sampled"])
def directory(request, recorded, tmp_path, monkeypatch):
    """A copy of one of them, and a cache directory that nobody has."""
    shutil.copytree(recorded / request.param, tmp_path / "traces")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RUBINPROF_INDEX", "always")
    return tmp_path / "traces"


def rendered(directory, report="table", index=True, **options):
    with rubinprof.open(directory, index=index) as trace:
        return trace.report(report, **options)


def indexes(directory):
    return sorted(p for p in directory.rglob("*") if p.parent.name in (".rubinprof", "rubinprof") and p.is_file())


@pytest.mark.parametrize(("report", "options"), REPORTS, ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())))
def test_every_report_is_the_same_from_the_index(directory, report, options):
    anew = rendered(directory, report, index=False, **options)
    assert not indexes(directory)
    assert rendered(directory, report, **options) == anew
    (index,) = indexes(directory)
    made = index.stat().st_mtime_ns
    assert rendered(directory, report, **options) == anew
    assert index.stat().st_mtime_ns == made, "the second question made a new index"


def test_the_page_answers_all_other_questions(directory):
    rendered(directory, "page")
    (index,) = indexes(directory)
    made = index.stat().st_mtime_ns
    for report in ("stats", "regions", "table", "lines", "tree", "flame"):
        assert rendered(directory, report) == rendered(directory, report, index=False)
    assert index.stat().st_mtime_ns == made


def test_a_small_question_does_not_answer_a_large_one(directory):
    rendered(directory, "stats")
    assert rendered(directory, "tree") == rendered(directory, "tree", index=False)
    assert rendered(directory, "stats") == rendered(directory, "stats", index=False)


def test_questions_in_turn_do_not_replace_their_answers(directory):
    asked = [("leaks", {"format": "text"}), ("table", {}), ("stats", {}), ("tree", {})]
    first = [rendered(directory, report, **options) for report, options in asked]
    made = [(index, index.stat().st_mtime_ns) for index in indexes(directory)]
    assert [rendered(directory, report, **options) for report, options in asked] == first
    assert [(index, index.stat().st_mtime_ns) for index in indexes(directory)] == made


def grown(path):
    with open(path, "ab") as file:
        file.write(bytes(8))


def touched(path):
    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns + 1))


def damaged(path):
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 255]))


def gone(path):
    path.unlink()


@pytest.mark.parametrize("change", [grown, touched, damaged, gone])
def test_of_a_changed_trace_it_is_not_believed(directory, change):
    rendered(directory)
    change(sorted(directory.glob("*.rprof"))[-1])
    assert rendered(directory) == rendered(directory, index=False)


def test_a_damaged_one_is_not_believed(directory):
    anew = rendered(directory)
    (index,) = indexes(directory)
    whole = index.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        wrong = whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :]
        index.write_bytes(wrong)
        assert rendered(directory) == anew
        assert index.read_bytes() != wrong, "it was not made anew"
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        index.write_bytes(whole[:length])
        assert rendered(directory) == anew


def test_it_goes_to_the_cache_where_the_directory_cannot_be_written(directory, tmp_path):
    (directory / ".rubinprof").write_text("in the way")  # root may write anywhere else
    anew = rendered(directory, index=False)
    assert rendered(directory) == anew
    (index,) = indexes(tmp_path / "cache")
    made = index.stat().st_mtime_ns
    assert rendered(directory) == anew
    assert index.stat().st_mtime_ns == made
    assert index.parent.stat().st_mode & 0o77 == 0


def test_without_any_room_for_it_the_answer_comes_all_the_same(directory, tmp_path):
    (directory / ".rubinprof").write_text("in the way")
    (tmp_path / "cache").write_text("in the way")
    assert rendered(directory) == rendered(directory, index=False)


def test_a_full_disk_leaves_nothing_behind(directory, tmp_path):
    # Python ignores SIGXFSZ: a write beyond the limit fails, as on a full disk.
    command = [sys.executable, "-m", "rubinprof", "table", "--json", directory]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}  # CPython would leave cut bytecode behind
    done = subprocess.run(command, capture_output=True, env=environment, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)))
    assert done.returncode == 0 and done.stderr == b""
    assert not indexes(directory) and not indexes(tmp_path / "cache")


def test_readers_at_the_same_time_agree(directory):
    command = [sys.executable, "-m", "rubinprof", "table", "--json", directory]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    assert len({reader.communicate()[0] for reader in readers}) == 1
    assert len(indexes(directory)) == 1


def test_a_running_trace_has_none(tmp_path, monkeypatch):
    monkeypatch.setenv("RUBINPROF_INDEX", "always")
    program = "import sys; print(1, flush=True); sys.stdin.read()"
    running = subprocess.Popen(
        [sys.executable, "-m", "rubinprof", "run", "-q", "-o", tmp_path / "t.rprof", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert running.stdout.readline()
    rendered(tmp_path / "t.rprof")
    assert not indexes(tmp_path)
    running.send_signal(signal.SIGKILL)
    running.wait()
    rendered(tmp_path / "t.rprof")
    assert len(indexes(tmp_path)) == 1


def test_off_means_off(directory, monkeypatch):
    monkeypatch.setenv("RUBINPROF_INDEX", "off")
    rendered(directory)
    assert not indexes(directory)


def test_a_quick_answer_leaves_none(directory, monkeypatch):
    monkeypatch.delenv("RUBINPROF_INDEX")
    with rubinprof.open(sorted(directory.glob("*.rprof"))[-1], index=True) as trace:
        trace.stats()
    assert not indexes(directory)


def test_the_python_interface_keeps_one_only_where_it_is_asked(directory):
    with rubinprof.open(directory) as trace:
        trace.table()
    assert not indexes(directory)
