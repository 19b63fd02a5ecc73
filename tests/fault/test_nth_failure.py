"""Every allocation, mapping and system call of the capture half made to fail in turn, once and from then on.

Either the start is refused with one sentence and leaves no file, or the program goes on unharmed and its trace can be read.
test_nth_failure.c of tests/cunit/sink does the same for what the writer thread calls.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.linux

# The steps between failures grow, since hundreds of calls are made in one loop; RUBINPROF_NTH_GROWTH=1 makes every single one fail.
GROWTH = os.environ.get("RUBINPROF_NTH_GROWTH", "1.4")
MAY_BE_UNUSED = {"realloc", "sigaction"}  # on other versions of libraries

SHIM = Path(__file__).with_name("fail_nth.c")
FUNCTIONS = [
    "malloc",
    "calloc",
    "realloc",
    "strdup",
    "mmap",
    "mprotect",
    "syscall",
    "sigaction",
    "pthread_create",
    "pthread_setspecific",
    "pthread_getattr_np",
]

# One forked child a failure: everything is imported once, also what is imported when something fails: the program's own allocations go through
# our hooks and fail, too, and an import that does not get memory leaves a module without its names. A child that dies, or hangs for 20 s, is a failure.
PROGRAM = """
import ctypes, json, os, signal, sys, threading, traceback
import rubinprof, rubinprof.trace
from rubinprof import _capture

shim = ctypes.CDLL(None)
shim.fail_nth_begin.argtypes = [ctypes.c_char_p, ctypes.c_long, ctypes.c_long]
shim.fail_nth_end.restype = ctypes.c_long
ranges = [line.split()[0].split("-") for line in open("/proc/self/maps") if _capture.__file__ in line]
shim.fail_nth_target(ctypes.c_void_p(int(ranges[0][0], 16)), ctypes.c_void_p(int(ranges[-1][1], 16)))

def step(n):
    return [bytes(700 + n) for _ in range(3)]

def work():
    # Threads first: their records are made while calls fail.
    threads = [threading.Thread(target=step, args=(i,)) for i in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    with rubinprof.region("r"):
        return sum(len(block) for n in range(200) for block in step(n))

expected = work()

def child(name, first, last, path):
    signal.alarm(20)
    said = ""
    assert shim.fail_nth_begin(name.encode(), first, last)
    try:
        tracker = rubinprof.Tracker(path)
        tracker.start()
    except (rubinprof.TracerError, MemoryError, OSError) as error:
        calls = shim.fail_nth_end()
        assert not rubinprof.is_active()
        assert "\\n" not in str(error) and not os.path.exists(path), (error, os.path.exists(path))
        return calls
    try:
        assert work() == expected
        tracker.stop()
    except (MemoryError, RuntimeError, rubinprof.TracerError):  # the program's own malloc, called by our hook; a trace with losses
        pass
    calls = shim.fail_nth_end()
    rubinprof.open(path).stats()
    return calls

def run(name, first, last):
    path = f"{name}-{first}-{last}.rprof"
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(w, str(child(name, first, last, path)).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(w)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"{name}, calls {first} to {last}: status {status:#x}"
    calls = int(os.read(r, 100))
    os.close(r)
    if os.path.exists(path):
        os.unlink(path)
    return calls

name, growth = sys.argv[1], float(sys.argv[2])
n = runs = 0
calls = run(name, 1 << 40, 1 << 40)
while n < calls:
    n = max(n + 1, int(n * growth))
    run(name, n, n)
    run(name, n, 1 << 40)
    runs += 2
print(runs, calls)
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "fail_nth.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, SHIM, "-ldl"], check=True)
    return library


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nth_failure(tmp_path, shim, function):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, function, GROWTH],
        cwd=tmp_path,
        env={**os.environ, "LD_PRELOAD": str(shim)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    runs, calls = map(int, done.stdout.split())
    print(f"{function}: {calls} calls, {runs} failures")
    assert calls or function in MAY_BE_UNUSED
