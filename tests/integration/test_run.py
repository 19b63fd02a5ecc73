"""`rubinprof run`: the program is what plain Python runs, to the last byte and exit status."""

import contextlib
import fcntl
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import termios

import pytest

import rubinprof

pytestmark = pytest.mark.linux

STATE_OFFSET, COMPLETE = 68, 2

# What a program can see of how it was started, and the ways in which it can end.
PROGRAM = """
import atexit, os, signal, sys, threading
print(sys.argv, __name__, __package__, __spec__ and __spec__.name, os.path.basename(__file__), sys.path[0])
print(sys.modules["__main__"].__dict__ is globals(), sorted(name for name in globals() if name.startswith("__")))
atexit.register(lambda: print("atexit", "__file__" in globals(), sys._getframe().f_back))
below = sys._getframe().f_back
print(below and below.f_code.co_name, sys.orig_argv[-1], len(sys.orig_argv))

def fail():
    raise ValueError("deliberate")

def chain():
    try:
        fail()
    except ValueError as error:
        raise RuntimeError("from it") from error

class Shy(Exception):
    def __str__(self):
        raise TypeError("no text")

def hook(kind, error, traceback):
    print("hook", kind, traceback.tb_frame.f_code.co_name, traceback.tb_lineno)

def late():
    threading.Timer(0.05, print, ["late thread"]).start()

class Dies:
    def __init__(self, n):
        self.n = n
    def __del__(self):
        os.write(1, f"dies {self.n} {sys is None} {sorted(globals())[-3:]}\\n".encode())

ends = {
    "nothing": lambda: None,
    "exit_0": lambda: sys.exit(),
    "exit_7": lambda: sys.exit(7),
    "exit_text": lambda: sys.exit("a last word"),
    "exit_big": lambda: sys.exit(1 << 40),
    "raise": fail,
    "chain": chain,
    "shy": lambda: (_ for _ in ()).throw(Shy()),
    "interrupt": lambda: signal.raise_signal(signal.SIGINT),
    "interrupt_hooked": lambda: (setattr(sys, "excepthook", hook), signal.raise_signal(signal.SIGINT)),
    "traced_end": lambda: (setattr(sys, "displayhook", None), sys.setprofile(lambda frame, event, arg: os.write(1, f"{event} {frame.f_code.co_name}\\n".encode()))),
    "own_hook": lambda: (setattr(sys, "excepthook", hook), fail()),
    "os_exit": lambda: os._exit(9),
    "term": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "abort": os.abort,
    "late": late,
    "recursion": lambda: (lambda f: f(f))(lambda f: f(f)),
    "exec": lambda: (sys.stdout.flush(), os.execv(sys.executable, [sys.executable, "-c", "print('another')"])),
    "closed_stdout": lambda: os.close(1),
    "del_at_end": lambda: globals().update(dies=[Dies(n) for n in range(3)], _first=Dies(3)),
    "nested_exit": lambda: exec("raise SystemExit(5)"),
}
sys.stdout.flush()
ends[sys.argv[1]]()
"""
ENDS = [line.split('"')[1] for line in PROGRAM.split("ends = {")[1].split("}")[0].splitlines() if line.strip()]
# Those after which nobody could complete the trace: by definition, or because nobody is asked.
KILLED = {"term", "kill", "abort", "exec"}


def both(cwd, args, stdin=""):
    """(status, stdout, stderr) of plain Python, the same of `rubinprof run`, and the traces written."""
    os.makedirs(cwd / "traces")
    results = []
    for prefix in ([sys.executable], [sys.executable, "-m", "rubinprof", "run", "-o", "traces"]):
        done = subprocess.run([*prefix, *args], cwd=cwd, capture_output=True, text=True, input=stdin, timeout=60)
        results.append((done.returncode, done.stdout, done.stderr))
    return *results, [cwd / "traces" / name for name in os.listdir(cwd / "traces")]


def is_complete(path):
    with open(path, "rb") as file:
        head = file.read(4096)
    return int.from_bytes(head[STATE_OFFSET : STATE_OFFSET + 4], "little") == COMPLETE


@pytest.mark.parametrize("end", ENDS)
def test_a_script_ends_as_untraced(tmp_path, end):
    (tmp_path / "program.py").write_text(PROGRAM)
    plain, traced, traces = both(tmp_path, ["program.py", end, "--an-option"])
    assert traced == plain
    assert len(traces) == (2 if end == "exec" else 1)
    assert sum(map(is_complete, traces)) == (1 if end not in KILLED or end == "exec" else 0)


def test_a_module_is_run_as_python_runs_it(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "module.py").write_text(PROGRAM)
    (tmp_path / "package" / "__main__.py").write_text("import sys; print('main', sys.argv, __package__)")
    plain, traced, traces = both(tmp_path, ["-m", "package.module", "raise"])
    assert traced == plain
    assert all(map(is_complete, traces))
    os.rename(tmp_path / "traces", tmp_path / "traces of the module")
    plain, traced, _ = both(tmp_path, ["-m", "package", "-x"])
    assert traced == plain
    assert plain[0] == 0


@pytest.mark.parametrize("code", ["import sys; print(sys.argv, __name__, sys.path[0])", "1/0", "def f(:", "print(input())"])
def test_code_is_run_as_python_runs_it(tmp_path, code):
    plain, traced, _ = both(tmp_path, ["-c", code, "-x", "y"], stdin="a line\n")
    assert traced == plain


def test_directories_and_zip_files_are_programs(tmp_path):
    import zipfile

    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text("import sys; print(sys.argv, sys.path[0], __package__)")
    with zipfile.ZipFile(tmp_path / "app.zip", "w") as file:
        file.write(tmp_path / "app" / "__main__.py", "__main__.py")
    for target in ("app", "app.zip"):
        plain, traced, traces = both(tmp_path, [target, "x"])
        assert traced == plain
        assert plain[0] == 0
        for path in traces:
            path.unlink()
        (tmp_path / "traces").rmdir()


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (["missing.py"], 2, "can't open file"),
        (["-m", "missing_module"], 1, "No module named missing_module"),
        (["--unknown", "x.py"], 2, "--unknown"),
        (["--sample-hz", "many", "x.py"], 2, "sample-hz"),
        (["--sample-hz", "0", "x.py"], 2, "must be from 1 to 20000"),
        ([], 2, "SCRIPT"),
        (["-o", "/proc/no/such.rprof", "-c", "pass"], 2, "cannot be created"),
        (["--cpu", "sometimes", "-c", "pass"], 2, "--cpu"),
    ],
)
def test_bad_use_is_one_sentence(tmp_path, args, status, words):
    done = subprocess.run(
        [sys.executable, "-m", "rubinprof", "run", *args], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == status
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == []


def test_an_interrupt_from_outside_is_a_death_by_signal(tmp_path):
    program = "import time; print('ready', flush=True); time.sleep(60)"
    done = subprocess.Popen(
        [sys.executable, "-m", "rubinprof", "run", "-o", "x.rprof", "-c", program],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # A shell starts its background jobs with SIGINT ignored, and Python keeps it so.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert done.stdout.readline() == "ready\n"
    done.send_signal(signal.SIGINT)
    _, said = done.communicate(timeout=30)
    assert done.returncode == -signal.SIGINT
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert "rubinprof" not in said
    assert is_complete(tmp_path / "x.rprof")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_works(tmp_path, method):
    (tmp_path / "program.py").write_text(
        "import multiprocessing, sys\n"
        "def work(n):\n"
        "    return n, sum(range(n))\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context(sys.argv[1])\n"
        "    workers = [context.Process(target=work, args=(n,)) for n in range(3)]\n"
        "    [worker.start() for worker in workers]\n"
        "    [worker.join() for worker in workers]\n"
        "    with context.Pool(2) as pool:\n"
        "        print(pool.map(work, range(5)), [worker.exitcode for worker in workers])\n"
    )
    plain, traced, traces = both(tmp_path, ["program.py", method])
    assert traced == plain
    # The program, three processes, a pool of two, of which one may be ended before it has begun; the server.
    assert 5 + (method == "forkserver") <= len(traces) <= 6 + (method == "forkserver")
    assert sum(map(is_complete, traces)) >= 4  # a pool kills its workers


def test_a_suite_that_allows_no_warning_runs(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    plain, traced, _ = both(tmp_path, ["-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "--no-header", "--durations=0", "test_it.py"])
    assert traced[0] == plain[0] == 0
    assert "1 passed" in traced[1]


def test_the_trace_file_keeps_its_name_when_asked_to_replace(tmp_path):
    command = [sys.executable, "-m", "rubinprof", "run", "-o", "x.rprof", "-c", "pass"]
    assert subprocess.run(command, cwd=tmp_path).returncode == 0
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "exists already" in refused.stderr
    command.insert(4, "--force")
    assert subprocess.run(command, cwd=tmp_path).returncode == 0
    assert os.listdir(tmp_path) == ["x.rprof"]


def test_other_ways_to_name_a_program(tmp_path):
    import py_compile

    (tmp_path / "program.py").write_text("import sys; print(__name__, __file__, sys.argv, sys.path[0], sys.orig_argv[1:], __loader__)")
    py_compile.compile(tmp_path / "program.py", tmp_path / "program.pyc")
    (tmp_path / "stops.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    (tmp_path / "empty").mkdir()
    for args in (["program.pyc", "x"], ["-", "x"], ["-m", "stops"], ["empty"], ["stops.py", "-c"], ["-P", "program.py"]):
        options = [word for word in args if word == "-P"]
        words = [word for word in args if word != "-P"]
        results = []
        for prefix in ([], ["-m", "rubinprof", "run", "-o", tmp_path]):
            done = subprocess.run([sys.executable, *options, *prefix, *words], cwd=tmp_path, capture_output=True,
                                  text=True, input="import sys; print(__file__, sys.argv, sys.path[0], 1 / 0)\n", timeout=60)  # fmt: skip
            results.append((done.returncode, done.stdout, re.sub("0x[0-9a-f]*", "0x", done.stderr)))
        plain, traced = results
        assert re.sub(" at 0x[0-9a-f]*", "", traced[1]) == re.sub(" at 0x[0-9a-f]*", "", plain[1])
        assert traced == (plain[0], traced[1], plain[2])


def test_the_image_of_an_exec_goes_on_tracing(tmp_path):
    (tmp_path / "program.py").write_text("""
import os, sys
n = int(sys.argv[1])
def work():
    return sorted(name for name in os.environ if name.startswith(("RUBINPROF", "MINE")))
print(n, os.getpid() == int(sys.argv[2] or os.getpid()), work(), flush=True)
args = [sys.executable, sys.argv[0], str(n - 1), str(os.getpid())]
try:
    os.execv("/no/such/program", args)
except FileNotFoundError:
    assert os.system("env | grep -q RUBINPROF_EXEC") != 0
os.chdir("/")
args[1] = os.path.join(sys.argv[3], "program.py")
args.append(sys.argv[3])
if n == 4: os.execv(args[0], args)
if n == 3: os.execve(args[0], args, {**os.environ, "MINE": "1"})
if n == 2: os.execve(path=args[0], argv=args, env={b"MINE2": b"2"})
if n == 1: os.execvp("sh", ["sh", "-c", 'exec "$@"', "sh", *args])
""")
    plain, traced, traces = both(tmp_path, ["program.py", "4", "", str(tmp_path)])
    assert traced == plain
    assert plain[0] == 0 and len(plain[1].splitlines()) == 5
    assert len(traces) == 5
    for path in traces:
        with rubinprof.open(path) as trace:
            assert [row["calls"] for row in trace.table(by="function") if row["function"] == "work"] == [1]


def test_a_sample_pending_at_an_exec_does_not_kill_the_image(tmp_path):
    program = """
import os, signal, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
try: os.execv("/no/such/program", ["x"])
except FileNotFoundError: pass
end = time.thread_time() + 0.05
while time.thread_time() < end: pass
image = "import signal; signal.pthread_sigmask(signal.SIG_SETMASK, []); print('alive', signal.getsignal(signal.SIGSTKFLT))"
os.execv(sys.executable, [sys.executable, "-S", "-c", image])
"""
    command = [sys.executable, "-m", "rubinprof", "run", "-o", tmp_path, "-c", program]
    # SIGURG would do nothing; where it is in use SIGSTKFLT serves.
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=lambda: signal.signal(signal.SIGURG, signal.SIG_IGN))
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive 0\n", "")


def test_the_image_of_an_exec_is_left_alone_when_asked(tmp_path):
    command = [sys.executable, "-m", "rubinprof", "run", "--no-follow-fork", "-o", tmp_path, "-c",
               "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'import sys; print(sys.argv)'])"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "['-c']\n", "")
    assert len(os.listdir(tmp_path)) == 1


def run_at_a_terminal(tmp_path, words, hold=False):
    """Lines that the command says on its terminal, which may be held (Ctrl-S)."""
    ours, theirs = pty.openpty()

    def take():
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
        if hold:
            termios.tcflow(theirs, termios.TCOOFF)

    program = "import os; os.makedirs('a b'); os.chdir('a b'); print(1)"
    command = [sys.executable, "-m", "rubinprof", "run", *words, "-o", "its trace.rprof", "-c", program]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=theirs, text=True, timeout=60, cwd=tmp_path, start_new_session=True, preexec_fn=take
    )
    os.close(theirs)
    told = b""
    with contextlib.suppress(OSError):  # EIO: the end
        while piece := os.read(ours, 4096):
            told += piece
    os.close(ours)
    assert (done.returncode, done.stdout) == (0, "1\n")
    return told.decode().splitlines()


@pytest.mark.parametrize(("words", "says"), [([], True), (["-q"], False)])
def test_at_a_terminal_the_end_says_where_the_trace_is(tmp_path, words, says):
    lines = run_at_a_terminal(tmp_path, words)
    assert [shlex.split(line)[-1] for line in lines] == ["its trace.rprof"] * 3 * says, lines


def test_a_held_terminal_holds_nobody(tmp_path):
    assert run_at_a_terminal(tmp_path, [], hold=True) == []


def test_a_program_waits_for_no_module_that_it_does_not_use(tmp_path):
    """What the launcher imports, each traced program pays for: ten milliseconds with argparse and what that needs."""
    code = "import sys; print(*sys.modules)"
    launcher = ["-m", "rubinprof", "run", "-q", "--cpu", "sampled", "--memory", "sampled", "-o", "t.rprof"]
    with_runpy = f"import runpy, importlib.util; {code}"  # what -m needs
    untraced, traced = (
        set(subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split())
        for words in (["-c", with_runpy], [*launcher, "-c", code])
    )
    more = {name for name in traced - untraced if not name.startswith(("rubinprof", "importlib"))}
    assert more <= {"contextvars", "_contextvars", "_functools", "_posixsubprocess", "_warnings", "atexit", "pkgutil", "types", "warnings"}
