"""What the commands that read a trace say when they cannot: one sentence, status 2, no traceback."""

import subprocess
import sys

import pytest

import rubinprof

COMMANDS = {
    "stats": [],
    "table": [],
    "tree": [],
    "lines": ["task.py"],
    "regions": [],
    "dump": [],
    "verify": [],
    "flamegraph": [],
    "leaks": [],
    "temporary": [],
}


def rubinprof_command(*words, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "rubinprof", *map(str, words)], capture_output=True, text=True, cwd=cwd, timeout=60
    )


def assert_one_sentence(done, *fragments):
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for fragment in fragments:
        assert str(fragment) in done.stderr


BAD_FILES = {
    "missing": None,
    "empty": b"",
    "text": b"this is no trace\n" * 1000,
    "short": b"\x89RPROF\r\n",
    "zeros": bytes(8192),
    "damaged header": b"\x89RPROF\r\n" + bytes(8192),
}


@pytest.fixture(params=BAD_FILES)
def bad_file(request, tmp_path):
    path = tmp_path / "bad.rprof"
    if BAD_FILES[request.param] is not None:
        path.write_bytes(BAD_FILES[request.param])
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_bad_file_is_named(command, bad_file, tmp_path):
    output = ["-o", tmp_path / "x.html"] if command == "flamegraph" else []
    done = rubinprof_command(command, bad_file, *COMMANDS[command], *output)
    assert_one_sentence(done, bad_file)
    assert not (tmp_path / "x.html").exists()


def test_recover_of_a_bad_file(bad_file, tmp_path):
    done = rubinprof_command("recover", bad_file, "-o", tmp_path / "out.rprof")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and str(bad_file) in done.stderr
    assert not (tmp_path / "out.rprof").exists()


def test_a_directory_without_traces(tmp_path):
    assert_one_sentence(rubinprof_command("stats", tmp_path), tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        ["stats"],
        ["table", "x.rprof", "--metric", "beauty"],
        ["table", "x.rprof", "--by", "colour"],
        ["table", "x.rprof", "--json", "--csv"],
        ["tree", "x.rprof", "--unknown"],
        ["tree", "x.rprof", "--min-share", "300"],
        ["recover", "x.rprof"],
    ],
)
def test_bad_use(words):
    assert_one_sentence(rubinprof_command(*words))


@pytest.mark.parametrize("words", [["table", "-n"], ["tree", "--depth"], ["leaks", "-n"], ["diff", "x.rprof", "-n"]])
@pytest.mark.parametrize("number", ["99999999999999999999", "-9223372036854775809"])
def test_a_number_beyond_64_bits(words, number):
    assert_one_sentence(rubinprof_command(words[0], "x.rprof", *words[1:], number), "too large a number")


@pytest.mark.parametrize("command", [*COMMANDS, "recover"])
def test_help_has_an_example(command):
    done = rubinprof_command(command, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert f"example: rubinprof {command} " in done.stdout


def test_open_raises_one_sentence(bad_file):
    with pytest.raises(rubinprof.TraceError) as caught:
        rubinprof.open(bad_file)
    assert str(bad_file) in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.code < 0


@pytest.mark.parametrize("paths", [(), (3,), (None,), ([],)])
def test_open_of_no_path(paths):
    with pytest.raises(TypeError):
        rubinprof.open(*paths)


def test_open_of_a_path_with_a_zero():
    with pytest.raises(ValueError):
        rubinprof.open("a\0b")
