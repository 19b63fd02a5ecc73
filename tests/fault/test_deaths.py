"""Deaths other than SIGKILL: whatever ends the process, what it did up to then is in the trace."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import rubinprof

pytestmark = pytest.mark.linux

CPP = """
#include <stdexcept>
extern "C" void allocate_then(int how)
{
    for (int i = 0; i < 7; i++) {
        char *volatile kept = new char[123457];
        kept[0] = 1;
    }
    if (how == 0)
        *reinterpret_cast<volatile int *>(8) = 1;
    throw std::runtime_error("nobody catches this");
}
"""

CRASHING = """
import ctypes, sys, rubinprof
library = ctypes.CDLL(sys.argv[1])
def crash(): library.allocate_then(int(sys.argv[2]))
rubinprof.Tracker("x.rprof").start()
with rubinprof.region("before"): pass
with rubinprof.region("last"): crash()
"""

# It ignores SIGTERM, as a program that is too busy to end does.
STUBBORN = """
import mmap, signal, sys, rubinprof
with open("counter", "r+b") as file:
    counter = memoryview(mmap.mmap(file.fileno(), 4096)).cast("Q")
def on_term(number, frame): counter[1] = counter[0] + 1
signal.signal(signal.SIGTERM, on_term)
rubinprof.Tracker("x.rprof").start()
def step(): return bytes(5000)
while True:
    step()
    counter[0] += 1
"""

HUNGRY = """
import rubinprof
rubinprof.Tracker("x.rprof").start()
kept = []
def eat(): kept.append(bytearray(b"x") * (1 << 20))
while True: eat()
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cpp")
    (directory / "crash.cpp").write_text(CPP)
    command = ["c++", "-O1", "-g", "-shared", "-fPIC", "-o", "crash.so", "crash.cpp"]
    subprocess.run(command, cwd=directory, check=True)
    return directory / "crash.so"


def check_last(path, allocations):
    with rubinprof.open(path) as trace:
        assert not trace.stats()["complete"]
        assert trace.stats()["lost_events"] == 0
        regions = [(region["name"], region["unfinished"]) for region in trace.regions()]
        rows = {row["function"]: row for row in trace.table()}
    assert regions == [("before", False), ("last", True)]
    assert rows["crash"]["calls"] == 1
    assert rows["crash"]["total_allocated_bytes"] >= allocations


@pytest.mark.parametrize(("how", "signal_number"), [(0, signal.SIGSEGV), (1, signal.SIGABRT)])
def test_a_crash_in_cpp(tmp_path, library, how, signal_number):
    done = subprocess.run(
        [sys.executable, "-c", CRASHING, library, str(how)], cwd=tmp_path, capture_output=True, timeout=60
    )
    assert done.returncode == -signal_number, done.stderr
    check_last(tmp_path / "x.rprof", 7 * 123457)


def test_a_batch_systems_term_then_kill(tmp_path):
    counts = tmp_path / "counter"
    counts.write_bytes(bytes(4096))
    process = subprocess.Popen([sys.executable, "-c", STUBBORN], cwd=tmp_path)

    def count(index):
        assert process.poll() is None
        return int.from_bytes(counts.read_bytes()[8 * index : 8 * index + 8], "little")

    while count(0) < 1000:
        pass
    process.terminate()
    while not count(1) or count(0) < count(1) + 1000:
        pass
    process.kill()
    process.wait()
    done = int.from_bytes(counts.read_bytes()[:8], "little")
    with rubinprof.open(tmp_path / "x.rprof") as trace:
        rows = {row["function"]: row for row in trace.table()}
    assert done <= rows["step"]["calls"] <= done + 1
    assert done <= rows["step"]["total_allocations"] <= done + 1
    assert rows["on_term"]["calls"] == 1


@pytest.fixture
def small_memory():
    """A control group of 96 MiB: its file of processes."""
    group = Path("/sys/fs/cgroup/memory") / f"rubinprof-test-{os.getpid()}"
    limit = "memory.limit_in_bytes"
    if not group.parent.exists():
        group, limit = Path("/sys/fs/cgroup") / group.name, "memory.max"
    try:
        group.mkdir()
        (group / limit).write_text(str(96 << 20))
    except OSError as error:
        if group.exists():
            group.rmdir()
        pytest.skip(f"no control group can be made here: {error}")
    yield group / "cgroup.procs"
    group.rmdir()


def test_an_out_of_memory_kill(tmp_path, small_memory):
    program = f"import os\nopen({str(small_memory)!r}, 'w').write(str(os.getpid()))\n" + HUNGRY
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with rubinprof.open(tmp_path / "x.rprof") as trace:
        rows = {row["function"]: row for row in trace.table()}
        figures = trace.stats()
    assert figures["lost_events"] == 0
    assert rows["eat"]["calls"] >= 20
    assert rows["eat"]["total_leaked_bytes"] >= (rows["eat"]["calls"] - 1) << 20
