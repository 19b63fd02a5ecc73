"""rubinprof top: looks at programs that run."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from patience import PATIENCE_S, wait_for

import rubinprof

pytestmark = pytest.mark.linux

# Calls spin until the file that it is given is there.
PROGRAM = """
import os, sys, time

def spin():
    total = 0
    for n in range(20000):
        total += n & 3
    return total

kept = []

def keep():
    kept.append(bytearray(2_000_000))

keep()
while not os.path.exists(sys.argv[1]):
    spin()
"""


@pytest.fixture
def running(tmp_path):
    """A traced program that runs until the test is over."""
    program, stop, trace = tmp_path / "busy.py", tmp_path / "stop", tmp_path / "busy.rprof"
    program.write_text(PROGRAM)
    process = subprocess.Popen([sys.executable, "-m", "rubinprof", "run", "-o", str(trace), str(program), str(stop)])
    wait_for(lambda: trace.exists() and trace.stat().st_size > 4096)
    process.trace, process.stop_file = trace, stop
    yield process
    stop.touch()
    assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("target", ["pid", "trace"])
def test_once(running, rubinprof_command, target):
    def look():
        done = rubinprof_command("top", str(getattr(running, target)), "--once", "-n", "50")
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout if "spin" in done.stdout else None

    text = wait_for(look)
    assert f"pid {running.pid}" in text and "running" in text and "\x1b" not in text


def test_the_program_is_not_touched(running, rubinprof_command):
    """No ptrace."""
    status = open(f"/proc/{running.pid}/status").read
    rubinprof_command("top", running.pid, "--once")
    assert re.search(r"TracerPid:\s+0$", status(), re.MULTILINE)


def test_too_many_rows_is_one_sentence(rubinprof_command, tmp_path):
    done = rubinprof_command("top", str(tmp_path), "--once", "-n", "9" * 20)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


@pytest.mark.parametrize(
    ("target", "fragment"), [("999999999", "no process"), ("gone.rprof", "gone.rprof"), ("self", "writes no trace")]
)
def test_what_is_not_there_is_one_sentence(rubinprof_command, tmp_path, target, fragment):
    done = rubinprof_command("top", str(os.getpid()) if target == "self" else target, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1 and fragment in done.stderr


class Terminal:
    """A tmux session of its own server, 80 columns wide."""

    def __init__(self, socket, command):
        self._tmux = ["tmux", "-S", str(socket)]
        environment = {**os.environ, "TERM": "screen-256color", "LC_ALL": "C.UTF-8"}
        subprocess.run([*self._tmux, "-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", command], check=True, env=environment)

    def screen(self):
        done = subprocess.run([*self._tmux, "capture-pane", "-p"], capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else None

    def type(self, key):
        subprocess.run([*self._tmux, "send-keys", key], check=True)

    def is_open(self):
        return subprocess.run([*self._tmux, "list-sessions"], capture_output=True).returncode == 0

    def close(self):
        subprocess.run([*self._tmux, "kill-server"], capture_output=True)


@pytest.mark.tmux
def test_live_in_a_terminal(running, tmp_path):
    words = [sys.executable, "-m", "rubinprof", "top", str(running.pid)]
    terminal = Terminal(tmp_path / "tmux", shlex.join(words))
    try:
        first = wait_for(lambda: (s := terminal.screen()) and "now)" in s and "spin" in s and s)
        lines = first.splitlines()
        assert len(lines) == 24 and max(map(len, lines)) <= 80
        assert "running" in lines[0] and "self cpu" in lines[3] and lines[-1].startswith("q quit")
        terminal.type("h")
        held = wait_for(lambda: (s := terminal.screen()) and "leaked" in s.splitlines()[3] and s)
        assert re.search(r"1\.9\d MiB +1\.9\d MiB +keep", held)
        terminal.type("l")
        wait_for(lambda: (s := terminal.screen()) and re.search(r" line$", s.splitlines()[3]))
        running.stop_file.touch()
        wait_for(lambda: (s := terminal.screen()) and "ended" in s.splitlines()[0])
        terminal.type("q")
        wait_for(lambda: not terminal.is_open())
    finally:
        terminal.close()


# Threads at different paces, a silent one, a forked child, regions: until the file it is given is there.
GROWING = """
import os, sys, threading, time
import rubinprof

kept = []

def step(n):
    block = bytearray(1000 + n % 7000)
    if n % 10 == 0:
        kept.append(block)
    if n % 3000 == 0:
        kept.clear()

def pace(pause_s):
    n = 0
    while not os.path.exists(sys.argv[1]):
        n += 1
        step(n)
        time.sleep(pause_s)

threads = [threading.Thread(target=pace, args=(pause_s,)) for pause_s in (0.0002, 0.002, 0.2)]
for thread in threads:
    thread.start()
for n in range(1000000):
    with rubinprof.region("round"):
        for k in range(200):
            step(k)
    time.sleep(0.001)
    if n % 100 == 0 and not (child := os.fork()):
        os._exit(0)
    elif n % 100 == 0:
        os.waitpid(child, 0)
"""


def differences(looked, whole, path=""):
    """What differs, but for times: those in blocks are rounded, and the clock's rate is known better from second to second."""
    if isinstance(looked, dict) and isinstance(whole, dict):
        return [d for key in looked.keys() | whole.keys() for d in differences(looked.get(key), whole.get(key), f"{path}.{key}")]
    if isinstance(looked, list) and isinstance(whole, list) and len(looked) == len(whole):
        return [d for i, pair in enumerate(zip(looked, whole, strict=True)) for d in differences(*pair, f"{path}[{i}]")]
    if isinstance(looked, float) and isinstance(whole, float) and looked == pytest.approx(whole, rel=1e-4, abs=1e-5):
        return []
    return [] if looked == whole else [f"{path}: {looked} is {whole}"]


@pytest.mark.parametrize("options", [(), ("--cpu", "sampled", "--memory", "sampled")], ids=["exact", "sampled"])
def test_each_look_is_a_reading_of_the_whole_file(tmp_path, options):
    program, trace = tmp_path / "grows.py", tmp_path / "grows.rprof"
    program.write_text(GROWING)
    words = [sys.executable, "-m", "rubinprof", "run", *options, "-o", str(trace), str(program), str(tmp_path / "stop")]
    process = subprocess.Popen(words)
    try:
        wait_for(lambda: trace.exists() and has_begun(trace))
        looking, calls = rubinprof.open(trace), []
        for by in ("function", "line", "function"):
            # Until there is more: a second holds a pair of clocks, up to which events are settled.
            wait_for(lambda: not calls or time.monotonic() > due)
            process.send_signal(signal.SIGKILL if len(calls) == 2 else signal.SIGSTOP)
            wait_for(lambda: stands_still(process.pid))
            stats, table = looking._look(by)
            rows = table["rows"]
            with rubinprof.open(trace) as whole:
                found = differences([stats, keyed(rows)], [whole.stats(), keyed(whole.table(by))])
            assert not found
            calls.append(stats["events"])
            due = time.monotonic() + 0.4
            process.send_signal(signal.SIGCONT)
        assert calls == sorted(calls) and calls[0] < calls[2]
        assert stats["ended"]["killed"] == 1
        looking.close()
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def has_begun(trace):
    """Its first definitions are there: it can be read."""
    try:
        with rubinprof.open(trace) as opened:
            return opened.stats()["events"] > 0
    except rubinprof.TraceError:
        return False


def stands_still(pid):
    """All threads: one that is in the middle of a write goes on to its end, whatever state the process shows."""
    states = []
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            states += re.findall(r"^State:\s+(\S)", status.read_text(), re.MULTILINE)
    return all(state in "TZX" for state in states)


def keyed(rows):
    """Rows of equal figures are in no order that is promised."""
    return {(row["function"], row["file"], row["line"], row.get("def_line"), row["module"]): row for row in rows}
