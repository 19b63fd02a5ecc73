"""Threads with a pending pthread_cancel: tracing puts no cancellation point where the program has none."""

import json
import subprocess
import sys

import pytest
import rubinprof
from both_ways import PROGRAMS, both

pytestmark = pytest.mark.linux

SETUP = """
import ctypes
c = ctypes.CDLL({library!r})
"""

# How the thread meets the tool for the first time.
FIRST = ["free", "delete", "malloc", "new", "mmap", "many allocations", "a sample", "dlsym"]


@pytest.fixture(scope="module")
def setup(tmp_path_factory):
    path = tmp_path_factory.mktemp("library") / "libcancelled.so"
    subprocess.run(["c++", "-shared", "-fPIC", "-O1", "-o", path, PROGRAMS / "cancelled.cpp", "-lpthread"], check=True)
    return SETUP.format(library=str(path))


@pytest.mark.parametrize("mode", ["exact", "sampled"])
@pytest.mark.parametrize("how", range(len(FIRST)), ids=FIRST)
def test_a_pending_cancel_stays_pending_in_the_tool(tmp_path, setup, how, mode):
    out, traces = both(tmp_path, f"{setup}print(c.pending({how}, 3, 20000))", "--cpu", mode, "--memory", mode, "--sample-hz", "5000")
    assert out == "3\n"
    assert rubinprof.open(*traces).verify()["whole"]


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_threads_that_begin_and_threads_that_spin(tmp_path, setup, mode):
    out, traces = both(tmp_path, f"{setup}print(c.as_they_begin(100), c.anywhere(50))", "--cpu", mode, "--memory", mode, "--sample-hz", "20000")
    assert out == "100 50\n"
    assert rubinprof.open(*traces).stats()["complete"]


CALLS = """
def work():
    def leaf(i):
        return bytes(i)
    done.append(sum(len(leaf(i % 100)) for i in range(50000)))
    return 0
done = []
call = ctypes.CFUNCTYPE(ctypes.c_int)(work)
ctypes.PyDLL(c._name).pending_here(call)  # no second thread wants the GIL: CPython waits for it at a cancellation point
print(done)
"""


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_python_calls_of_a_thread_that_a_cancel_is_pending_for(tmp_path, setup, mode):
    out, traces = both(tmp_path, setup + CALLS, "--cpu", mode, "--memory", mode)
    assert out == "[2475000]\n"
    assert rubinprof.open(*traces).verify()["whole"]


WAITS = """
import json
from rubinprof import _capture
_capture.start("x.rprof", buffer_bytes=4096, memory_bytes_max=8 * 4096)
ended = c.pending(5, 3, 100000)
stalled = _capture.status()["stall_ns"]
_capture.stop()
print(json.dumps([ended, stalled]))
"""


def test_a_pending_cancel_stays_pending_while_the_writer_is_waited_for(tmp_path, setup):
    done = subprocess.run([sys.executable, "-c", setup + WAITS], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    ended, stalled = json.loads(done.stdout)
    assert ended == 3
    assert stalled > 0
