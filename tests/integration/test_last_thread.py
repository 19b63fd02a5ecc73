"""A process ends with its last thread, and the tool's threads are not the program's: programs that never get to an exit()."""

import subprocess

import pytest
import rubinprof
from both_ways import PROGRAMS, both

pytestmark = pytest.mark.linux

FORKED = """
import os, threading
def f():
    if (p := os.fork()) == 0:
        return {child}
    print("child", os.waitpid(p, 0)[1], flush=True)
t = threading.Thread(target=f); t.start(); t.join()
"""

# What it does, what it prints, its status, how many processes there are.
ENDS = {
    "a child forked in a thread returns": (FORKED.format(child="None"), "child 0\n", 0, 2),
    "a child forked in a thread leaves by pthread_exit": (FORKED.format(child="c.leave_to(0, 0)"), "child 0\n", 0, 2),
    "a child forked in a thread leaves to others": (FORKED.format(child="c.leave_to(3, 1)"), "...child 0\n", 0, 2),
    "a child forked in a thread has a status": (FORKED.format(child="c.end_with(3)"), "bye\nchild 768\n", 0, 2),
    "a Python thread is the last": (
        "import threading, time\n"
        "def f():\n"
        "    time.sleep(0.05)\n"
        "    print(len([bytes(100) for _ in range(1000)]), flush=True)\n"
        "threading.Thread(target=f).start()\n"
        "c.leave_to(0, 0)\n",
        "1000\n",
        0,
        1,
    ),
    "native threads return": ("c.leave_to(8, 0)", "........", 0, 1),
    "native threads leave by pthread_exit": ("c.leave_to(8, 1)", "........", 0, 1),
    "a native thread leaves by the system call": ("c.leave_to(1, 2)", ".", 0, 1),
    "the process has a status": ("c.end_with(5); c.leave_to(2, 0)", "..bye\n", 5, 1),
    "there is none but the first": ("c.end_with(5); c.leave_to(0, 0)", "bye\n", 5, 1),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "liblast_thread.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", path, PROGRAMS / "last_thread.c", "-lpthread"], check=True)
    return path


@pytest.mark.parametrize("mode", ["exact", "sampled"])
@pytest.mark.parametrize("name", ENDS)
def test_the_process_ends_with_the_programs_last_thread(tmp_path, library, name, mode):
    source, printed, status, processes = ENDS[name]
    source = f"import warnings; warnings.simplefilter('ignore')\nimport ctypes\nc = ctypes.CDLL({str(library)!r})\n{source}"
    out, traces = both(tmp_path, source, "--cpu", mode, "--memory", mode, status=status)
    assert out == printed
    assert len(traces) == processes
    assert all(rubinprof.open(trace).verify()["whole"] for trace in traces)
