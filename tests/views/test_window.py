"""What fits a window of 80 columns, and what a pipe gets instead: names whole."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

pytestmark = pytest.mark.linux

LONG = "a_function_whose_name_is_longer_than_a_window_of_eighty_columns_has_room_for_beside_its_figures"
PROGRAM = f"""
import rubinprof

def {LONG}(n):
    return [bytes(2000) for _ in range(n)]

kept = []
for i in range(10):
    with rubinprof.region("visit", detector=i):
        kept.append({LONG}(200))
"""
COMMANDS = ["stats", "table", "table --by line", "table --by file", "table --by thread", "tree", "lines __init__.py", "regions", "regions --tree", "leaks", "temporary"]


@pytest.fixture(scope="module")
def trace(tmp_path_factory, rubinprof_command):
    home = tmp_path_factory.mktemp("window")
    for name in ("first", "second"):
        (home / name).mkdir()
        (home / name / "__init__.py").write_text("value = [str(i) for i in range(1000)]\n")
    (home / "program.py").write_text("import first, second\n" + PROGRAM)
    assert rubinprof_command("run", "-o", home / "t.rprof", home / "program.py").returncode == 0
    return home / "t.rprof"


def in_window(columns, *words):
    """What a terminal of so many columns gets."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environ = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")} | {"TERM": "xterm", "NO_COLOR": "1"}
    child = subprocess.Popen([sys.executable, "-m", "rubinprof", *map(str, words)], stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL, env=environ, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(1, termios.TIOCSCTTY, 0))
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 1 << 16):
            text += part
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert child.wait(60) == 0, text
    return text.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("words", COMMANDS)
def test_no_line_is_longer_than_the_window(trace, words):
    command, *options = words.split()
    lines = in_window(80, command, trace, *options).split("\r\x1b[K")[-1].splitlines()
    assert len(lines) > 1
    assert [line for line in lines if len(line) > 80] == [line for line in lines if line.startswith("/") and " " not in line and len(line) > 80]  # a path has no end to wrap at


@pytest.mark.parametrize("words", ["stats", "table -m allocated", "tree -m allocated", "leaks"])
def test_a_pipe_gets_names_whole_and_a_width_cuts_them(trace, rubinprof_command, words):
    command, *options = words.split()
    assert LONG in rubinprof_command(command, trace, *options).stdout
    cut = rubinprof_command(command, trace, *options, "--width", "80").stdout
    assert LONG not in cut and max(map(len, cut.splitlines())) <= 80


def test_a_run_says_where_its_trace_is_on_a_terminal_alone(tmp_path, rubinprof_command):
    trace = tmp_path / "x.rprof"
    said = in_window(80, "run", "-o", trace, "-c", "print('done')")
    assert said.startswith("done\n") and f"the trace is {trace}" in said and "rubinprof stats" in said and "rubinprof report" in said
    assert in_window(80, "run", "-q", "-f", "-o", trace, "-c", "print('done')") == "done\n"
    quiet = rubinprof_command("run", "-f", "-o", trace, "-c", "print('done')")
    assert (quiet.stdout, quiet.stderr) == ("done\n", "")
