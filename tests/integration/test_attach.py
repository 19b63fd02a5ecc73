"""`rubinprof attach`: a process that runs already is traced for a while, and notices nothing else."""

import os
import re
import signal
import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux
enters = pytest.mark.skipif(sys.version_info < (3, 14), reason="a running CPython can be entered from 3.14 on")

# Counts in a function until a line on its standard input says stop; tells what it would have noticed.
PROGRAM = """
import os, select, sys, threading, time
path, modules = list(sys.path), None

def work(n):
    return sum(range(n))

def busy():
    print("runs", flush=True)
    calls, told_at_s = 0, None
    while not select.select([0], [], [], 0)[0]:
        work(2000)
        calls += 1
        if os.path.exists(sys.argv[1]):
            os.unlink(sys.argv[1])
            told_at_s = time.process_time() + 0.15
        if told_at_s and time.process_time() > told_at_s:
            told_at_s = print("seen", flush=True)
    return calls

busy()
print(sys.path == path, sorted(name for name in globals() if not name.startswith("__")), threading.active_count())
"""
BLOCKED = "import sys; print('runs', flush=True); sys.stdin.read(1); print('on', flush=True); sys.stdin.read()"


class Program:
    def __init__(self, code, *words, **more):
        command = [sys.executable, "-c", code, *map(str, words)]
        self.process = subprocess.Popen(command, stdin=-1, stdout=-1, stderr=-1, text=True, **more)
        assert self.process.stdout.readline() == "runs\n"
        self.pid = self.process.pid

    def end(self):
        out, errors = self.process.communicate("\n", timeout=60)
        assert (self.process.returncode, errors) == (0, "")
        return out

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def attach(*words, directory):
    command = [sys.executable, "-m", "rubinprof", "attach", *map(str, words)]
    return subprocess.Popen(
        command,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=-1,
        stderr=-1,
        text=True,
        # A shell starts its background jobs with SIGINT ignored, and Python keeps it so.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def refused(*words, directory):
    command = attach(*words, directory=directory)
    out, errors = command.communicate(timeout=60)
    assert (command.returncode, out, errors.count("\n")) == (2, "", 1), errors
    return errors


def line_with(stream, words):
    """Reads on until a line has these words."""
    for line in stream:
        if words in line:
            return line
    raise AssertionError(f"no line has {words!r}")


def trace_of(text):
    return re.search(r"the trace is (\S+)", text)[1]


def run_a_while(program, mark):
    """The program has gone on, by 0.3 s of its CPU time."""
    for _ in range(2):
        mark.touch()
        line_with(program.process.stdout, "seen")


@enters
@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_a_running_process_is_traced_until_ctrl_c_and_goes_on(tmp_path, mode):
    # Where the program can import rubinprof itself, that is not the last place in its path.
    home = os.path.dirname(os.path.dirname(rubinprof.__file__))
    with Program(PROGRAM, tmp_path / "mark", env={**os.environ, "PYTHONPATH": home}) as program:
        command = attach(program.pid, "--cpu", mode, "--memory", mode, directory=tmp_path)
        line_with(command.stderr, f"process {program.pid} is traced")
        run_a_while(program, tmp_path / "mark")
        command.send_signal(signal.SIGINT)
        _, errors = command.communicate(timeout=60)
        assert command.returncode == 0, errors
        run_a_while(program, tmp_path / "mark")
        assert program.end() == "True ['busy', 'modules', 'os', 'path', 'select', 'sys', 'threading', 'time', 'work'] 1\n"
    with rubinprof.open(tmp_path / trace_of(errors)) as trace:
        stats = trace.stats()
        rows = {row["function"]: row for row in trace.table()}
    assert stats["complete"], stats
    assert rows["work"]["total_cpu_s"] > 0.02 and "busy" in rows
    if mode == "exact":
        assert rows["work"]["calls"] > 200
    assert not {"entered", "start", "stop", "_handle_fromlist"} & set(rows), sorted(rows)


@enters
def test_twice_into_a_file_each(tmp_path):
    with Program(PROGRAM, tmp_path / "mark") as program:
        for name in ("a.rprof", "b.rprof"):
            command = attach(program.pid, "--for", "0.2", "-o", name, directory=tmp_path)
            _, errors = command.communicate(timeout=60)
            assert command.returncode == 0, errors
        program.end()
    for name in ("a.rprof", "b.rprof"):
        with rubinprof.open(tmp_path / name) as trace:
            assert trace.stats()["complete"]


@enters
def test_a_process_that_ends_meanwhile_leaves_its_whole_trace(tmp_path):
    with Program(PROGRAM, tmp_path / "mark") as program:
        command = attach(program.pid, "-o", "whole.rprof", directory=tmp_path)
        line_with(command.stderr, "is traced")
        program.end()
        assert command.wait(60) == 0
    with rubinprof.open(tmp_path / "whole.rprof") as trace:
        assert trace.stats()["complete"]


@enters
def test_one_that_is_blocked_is_waited_for_and_may_be_given_up(tmp_path):
    with Program(BLOCKED, env={**os.environ, "TMPDIR": str(tmp_path)}) as program:
        command = attach(program.pid, directory=tmp_path)
        line_with(command.stderr, "waiting until the main thread")
        command.send_signal(signal.SIGINT)
        _, errors = command.communicate(timeout=60)
        assert (command.returncode, "goes on untraced" in errors) == (130, True), errors
        assert program.end() == "on\n"  # and nothing on its standard error
    assert not list(tmp_path.glob("*.rprof"))


@enters
def test_a_traced_one_is_not_entered(tmp_path):
    with Program(f"import rubinprof; rubinprof.Tracker({str(tmp_path / 'own.rprof')!r}).start()\n{PROGRAM}", tmp_path / "mark") as program:
        assert "traced already, into" in refused(program.pid, directory=tmp_path)


@enters
def test_one_that_forbids_it_is_not_entered(tmp_path):
    with Program(PROGRAM, tmp_path / "mark", env={**os.environ, "PYTHON_DISABLE_REMOTE_DEBUG": "1"}) as program:
        assert "entering forbidden" in refused(program.pid, directory=tmp_path)
        program.end()


@enters
def test_where_no_trace_can_be_made_the_process_goes_on(tmp_path):
    (tmp_path / "there").touch()
    with Program(PROGRAM, tmp_path / "mark") as program:
        assert "there" in refused(program.pid, "-o", "there", directory=tmp_path)
        program.end()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="this one can be entered")
def test_an_older_python_is_refused_in_a_sentence(tmp_path):
    with Program(PROGRAM, tmp_path / "mark") as program:
        assert "from 3.14 on; start it by 'rubinprof run' instead" in refused(program.pid, directory=tmp_path)
        program.end()


def test_what_is_no_python_or_not_there_is_refused_in_a_sentence(tmp_path):
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        assert "is not a CPython" in refused(sleeper.pid, directory=tmp_path)
        sleeper.kill()
    assert f"there is no process {sleeper.pid}" in refused(sleeper.pid, directory=tmp_path)
