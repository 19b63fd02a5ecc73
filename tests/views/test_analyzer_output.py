"""rubinprof-analyze -o: the file appears whole or not at all, and is never the trace."""

import os
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.linux


@pytest.fixture
def trace(traces, tmp_path):
    return shutil.copy(traces.a[0], tmp_path / "t.rprof")


def refused(done, *fragments):
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1, done
    return all(fragment in done.stderr for fragment in fragments)


def test_the_report_replaces_what_was_there(trace, analyze_command, tmp_path):
    out = tmp_path / "x.txt"
    out.write_text("before")
    done = analyze_command("table", trace, "-o", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert out.read_text() == analyze_command("table", trace).stdout
    assert sorted(os.listdir(tmp_path)) == ["t.rprof", "x.txt"]


@pytest.mark.parametrize("way", ["itself", "link", "directory"])
def test_the_trace_is_not_written_over(trace, traces, analyze_command, tmp_path, way):
    out = tmp_path / "t.rprof"
    if way == "link":
        out = tmp_path / "link"
        out.symlink_to("t.rprof")
    done = analyze_command("stats", tmp_path if way == "directory" else trace, "-o", out)
    assert refused(done, str(out), "is the trace itself")
    assert (tmp_path / "t.rprof").read_bytes() == traces.a[0].read_bytes()


@pytest.mark.parametrize("words", [["table", "--metric", "beauty"], ["tree", "--csv"], ["table", "--region", "none of that name"]])
@pytest.mark.parametrize("before", ["before", None])
def test_a_failure_leaves_what_was_there(trace, analyze_command, tmp_path, words, before):
    out = tmp_path / "x.txt"
    if before:
        out.write_text(before)
    assert refused(analyze_command(*words, trace, "-o", out))
    assert (out.read_text() if out.exists() else None) == before
    assert sorted(os.listdir(tmp_path)) == ["t.rprof"] + ["x.txt"] * bool(before)


def test_a_full_disk_leaves_what_was_there(trace, analyze_command, tmp_path):
    out = tmp_path / "x.json"
    out.write_text("before")
    command = [analyze_command.program, "dump", trace, "-o", out]
    done = subprocess.run(["bash", "-c", 'ulimit -f 1; trap "" XFSZ; exec "$@"', "bash", *command], capture_output=True, text=True, timeout=60)
    assert refused(done, "cannot write", str(out))
    assert out.read_text() == "before" and sorted(os.listdir(tmp_path)) == ["t.rprof", "x.json"]


def test_links_and_devices_stay(trace, analyze_command, tmp_path):
    (tmp_path / "real.txt").write_text("before")
    (tmp_path / "link").symlink_to("real.txt")
    assert analyze_command("losses", trace, "-o", tmp_path / "link").returncode == 0
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real.txt").read_text() == ""
    assert analyze_command("stats", trace, "-o", "/dev/null").returncode == 0
    assert analyze_command("stats", trace, "-o", "/dev/stdout").stdout == analyze_command("stats", trace).stdout
    assert refused(analyze_command("stats", trace, "-o", tmp_path), "cannot write")
