"""Other programs that a traced one starts: counted by name, and followed on request."""

import json
import subprocess
import sys
import textwrap

import pytest

import rubinprof

pytestmark = pytest.mark.linux

MODES = [[], ["--cpu", "sampled", "--memory", "sampled"]]

# Starts itself and that one again, by four ways: leaf is called 10 + 100 + 3 * 1000 times.
ITSELF = """
    import os, subprocess, sys

    def leaf():
        return 1

    def many(n):
        return sum(leaf() for _ in range(n))

    assert "RUBINPROF_EXEC" not in os.environ
    role = sys.argv[1] if len(sys.argv) > 1 else "top"
    me = [sys.executable, __file__]
    if role == "top":
        many(10)
        subprocess.run(me + ["mid"], check=True, env={**os.environ, "MINE": "1"})
        os.system(f"WORD=\\"it's\\"; {sys.executable} {__file__} bottom; true")
        os.waitpid(os.posix_spawn(sys.executable, me + ["bottom"], os.environ), 0)
    elif role == "mid":
        assert os.environ["MINE"] == "1"
        many(100)
        subprocess.run(f"{sys.executable} {__file__} bottom", shell=True, check=True)
    else:
        many(1000)
"""

ALL_WAYS = """
    import os, subprocess, sys

    for _ in range(100):
        subprocess.run(["true"], close_fds=False)
    subprocess.run("exit 3", shell=True)
    assert os.WEXITSTATUS(os.system("true; exit 3")) == 3
    assert os.popen("echo said").read() == "said\\n"
    os.waitpid(os.posix_spawnp("true", ["true"], {}), 0)
    pid = os.spawnvp(os.P_NOWAIT, sys.executable, [sys.executable, "-c", "pass"])
    os.waitpid(pid, 0)
    if not os.fork():
        os._exit(0)
    os.wait()
"""


def run(tmp_path, program, *words):
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    (tmp_path / "traces").mkdir()
    command = [sys.executable, "-m", "rubinprof", "run", "-o", "traces", *words, "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path / "traces"


def children(traces):
    return {one["name"]: one["count"] for one in rubinprof.open(traces).stats()["not_seen"] if one["what"] == "children"}


@pytest.mark.parametrize("modes", MODES)
def test_children_that_are_not_followed_are_counted(tmp_path, modes):
    traces = run(tmp_path, ITSELF, *modes)
    python = sys.executable.rsplit("/", 1)[-1]
    assert len(list(traces.iterdir())) == 1
    assert children(traces) == {f"{python} program.py": 3}  # the fourth is a child's
    text = subprocess.run([sys.executable, "-m", "rubinprof", "stats", traces], capture_output=True, text=True, check=True).stdout
    assert f"child processes: {python} program.py, which are not traced" in text


@pytest.mark.parametrize("modes", MODES)
def test_children_are_followed_and_make_one_trace(tmp_path, modes):
    traces = run(tmp_path, ITSELF, "--follow-children", *modes)
    assert len(list(traces.iterdir())) == 5
    trace = rubinprof.open(traces)
    assert trace.is_whole() and trace.stats()["processes"] == 5 and children(traces) == {}
    if not modes:
        assert [row["calls"] for row in trace.table() if row["function"] == "leaf"] == [3110]


def test_what_cannot_be_followed_is_still_counted(tmp_path):
    program = """
        import subprocess, sys
        subprocess.run(["true"], check=True)
        subprocess.run([sys.executable, "-S", "-c", "pass"], check=True)  # reads no .pth file
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        subprocess.run([sys.executable, "-c", "pass"], check=True, env={})
    """
    python = sys.executable.rsplit("/", 1)[-1]
    assert children(run(tmp_path, program, "--follow-children")) == {"true": 1, f"{python} -c": 1}


@pytest.mark.parametrize("words", [[], ["--follow-children"]])
def test_every_way_to_start_one_is_counted_and_works(tmp_path, words):
    traces = run(tmp_path, ALL_WAYS, *words)
    assert children(traces) == {"true": 102, "exit": 1, "echo": 1}


def test_forks_that_are_not_followed_are_counted(tmp_path):
    assert children(run(tmp_path, ALL_WAYS, "--no-follow-fork")) == {"true": 102, "exit": 1, "echo": 1, "(fork)": 2}


JOBLIB = """
    from joblib import Parallel, delayed

    def leaf(x):
        return x

    def work(n):
        return sum(leaf(i) for i in range(n))

    if __name__ == "__main__":
        assert Parallel(n_jobs=2)(delayed(work)(100) for _ in range(10)) == [4950] * 10
"""


def test_workers_of_joblib(tmp_path):
    traces = run(tmp_path, JOBLIB)
    assert sum(children(traces).values()) == 2
    for path in traces.iterdir():
        path.unlink()
    traces.rmdir()
    traces = run(tmp_path, JOBLIB, "--follow-children")
    calls = {row["function"]: row["calls"] for row in rubinprof.open(traces).table()}
    assert (calls["leaf"], calls["work"]) == (1000, 10)
    assert children(traces) == {}


def test_a_tracker_follows_on_request(tmp_path):
    program = """
        import subprocess, sys
        import rubinprof

        with rubinprof.Tracker("own.rprof", follow_children=sys.argv[1] == "1") as tracker:
            subprocess.run([sys.executable, "-c", "def leaf(): pass\\nfor _ in range(7): leaf()"], check=True)
        subprocess.run([sys.executable, "-c", "pass"], check=True)  # not in the trace
    """
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    for follows, files in (("0", 1), ("1", 3)):
        subprocess.run([sys.executable, "program.py", follows], cwd=tmp_path, check=True, timeout=60)
        assert len(list(tmp_path.glob("*.rprof"))) == files - int(follows)
        (tmp_path / "own.rprof").rename(tmp_path / "first") if follows == "0" else None
    trace = rubinprof.open(*map(str, tmp_path.glob("*.rprof")))
    assert [row["calls"] for row in trace.table() if row["function"] == "leaf"] == [7]
    assert json.loads(json.dumps(trace.stats()["not_seen"])) == []
