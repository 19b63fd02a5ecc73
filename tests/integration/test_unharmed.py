"""Programs that have tripped tools of this kind (docs/traps.md): each does the same under `rubinprof run` as without, with pymalloc on.

A program prints what it finds; both runs must print the same, write the same on stderr and end alike.
"""

import glob
import os
import shutil
import subprocess
import sys

import pytest
import rubinprof
from both_ways import both, with_helper

pytestmark = pytest.mark.linux

# ---- native threads, signals, libraries ----

# What it prints, and how many allocations are made of which there must be an event each.
NATIVE = {
    "plain threads": ("print(c.plain_threads(16, 1 << 20, 2000))", "16", 16 * (2 + 2000 + 20)),
    "small stacks": ("print(c.plain_threads(16, 16384, 200))", "16", 16 * (2 + 200 + 20)),
    "many short threads": ("print(sum(c.plain_threads(20, 65536, 5) for _ in range(20)))", "400", 400 * (2 + 5 + 20)),
    "cancelled": ("print(c.cancel_threads(10))", "1010", 10),
    "waits": ("print(c.interrupted_waits())", "0", 0),
    "sigwait": ("print(c.signals_that_came())", "0", 0),
    "own SIGURG by sigaction": ("print(c.own_urgent_signals(1))", "1", 0),
    "own SIGURG by signal": ("print(c.own_urgent_signals(0))", "1", 0),
    "handlers": ("print(c.handlers_that_map(200))", "1", 200),
    "allocating handlers": ("print(c.handlers_that_allocate(500))", "500", 500 * (3 + 1)),
    "raw clone": ("print(c.raw_clone(), c.raw_clone())", "7 7", 0),
    "plugins": ("print(c.load_and_unload((LIBRARIES + '/libplugin.so').encode(), 50))", str(sum(range(50))), 50),
    "openmp": ("print(ctypes.CDLL(LIBRARIES + '/libopenmp.so').parallel(10000))", str(sum(i % 7 for i in range(10000))), 10000),
}


@pytest.mark.parametrize("name", NATIVE)
def test_native(tmp_path, libraries, name):
    source, expected, allocations = NATIVE[name]
    out, traces = both(tmp_path, with_helper(libraries, source))
    assert out == expected + "\n"
    with rubinprof.open(*traces) as trace:
        stats, rows = trace.stats(), trace.table()
    assert stats["complete"] and stats["lost_events"] == 0
    in_library = ("libhelper.so", "libplugin.so", "libopenmp.so")
    assert sum(row["allocations"] for row in rows if (row["module"] or "").endswith(in_library)) >= allocations


# ---- allocators put in by LD_PRELOAD ----


@pytest.mark.parametrize("library", ["libjemalloc.so.2", "libtcmalloc.so.4"])
def test_a_preloaded_allocator(tmp_path, libraries, library):
    found = glob.glob(f"/usr/lib/*/{library}") or glob.glob(f"/usr/lib*/{library}")
    if not found:
        pytest.skip(f"{library} is not installed")
    source = with_helper(libraries, "print(c.plain_threads(8, 1 << 20, 3000), c.cancel_threads(3), len(bytearray(5_000_000)))\n")
    out, traces = both(tmp_path, source, environment={"LD_PRELOAD": found[0]})
    assert out == "8 303 5000000\n"
    with rubinprof.open(*traces) as trace:
        assert trace.stats()["allocations"] > 8 * 3000


# ---- shutdown ----

SHUTDOWN = """
import atexit, gc, os, sys, threading, time
class Dies:
    def __init__(self, name): self.name, self.ring = name, self
    def __del__(self, write=os.write):
        sorted(map(str, range(200)))
        write(1, f"del {self.name}\\n".encode())
def late():
    kept.append(bytearray(100_000))
    print("atexit", len([str(n) for n in range(300)]))
def spin():
    started.release()
    while True: sum(range(50))
def wait():
    started.release()
    time.sleep(1000)
def generator(write=os.write):
    try: yield 1
    finally: write(1, b"generator closed\\n")
kept, started = [], threading.Semaphore(0)
for target in (spin, spin, wait) if DAEMONS else ():
    threading.Thread(target=target, daemon=True).start()
    started.acquire()
atexit.register(late)
last, open_generator = Dies("global"), generator()
next(open_generator)
sys.kept = Dies("sys")
ending = threading.Thread(target=lambda: (threading.main_thread().join(), print("thread", len([0] * 1000))))
ending.start()
Dies("now")
gc.collect()
print("main ends")
"""


@pytest.mark.parametrize("daemons", [True, False])
def test_shutdown_with_late_work(tmp_path, daemons):
    out, traces = both(tmp_path, f"DAEMONS = {daemons}\n{SHUTDOWN}")
    assert "del now" in out and (daemons or "generator closed" in out)
    with rubinprof.open(*traces) as trace:
        assert trace.stats()["complete"]


# ---- processes and descriptors ----

PROCESSES = """
import os, subprocess, sys
os.closerange(3, 256)
print([n for n in range(3, 64) if os.path.exists(f"/proc/self/fd/{n}")])
first = os.open("/dev/null", os.O_RDWR)
print(first)
done = subprocess.run([sys.executable, "-c", "import os; print([n for n in range(3, 64) if os.path.exists(f'/proc/self/fd/{n}')])"],
                      stdout=subprocess.PIPE, text=True, close_fds=False)
print(done)
print(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode, os.system("exit 3"), os.spawnv(os.P_WAIT, "/bin/true", ["true"]))
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 5"], os.environ)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = os.fork()
if pid == 0:
    os.close(first)
    os.execv("/bin/sh", ["sh", "-c", "ls /proc/self/fd | wc -l"])
print(os.waitpid(pid, 0)[1], sorted(name for name in os.environ if "RUBINPROF" in name))
print([bytes(5000) for _ in range(3)] == [bytes(5000)] * 3, os.listdir("/proc/self/task") != [])
"""


def test_processes_and_closed_descriptors(tmp_path):
    out, traces = both(tmp_path, PROCESSES)
    assert len(traces) >= 1
    for path in traces:
        with rubinprof.open(path) as trace:
            assert trace.stats()["lost_events"] == 0


# ---- what the tracer itself does ----


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_network_no_children_no_file_but_the_trace(tmp_path):
    command = ["strace", "-f", "-qq", "-o", "calls", "-e", "trace=%network,execve,execveat,clone,clone3,fork,vfork,openat,open,creat,unlink,rename",
               sys.executable, "-m", "rubinprof", "run", "--pymalloc", "-o", "x.rprof", "-c", "sum(range(1000))"]  # fmt: skip
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    lines = (tmp_path / "calls").read_text().splitlines()
    words = [line.split(None, 1)[1] for line in lines]
    assert sum(word.startswith("execve") for word in words) == 1  # strace's own
    clones = [word for word in words if word.startswith(("clone", "fork", "vfork"))]
    assert all("CLONE_THREAD" in word for word in clones)
    assert not [word for word in words if word.startswith(("socket", "connect", "bind", "sendto"))]
    written = {word.split('"')[1] for word in words if word.startswith("open") and ("O_WRONLY" in word or "O_RDWR" in word)}
    assert {path for path in written if not path.startswith(("/dev/", "/proc/self/"))} == {str(tmp_path / "x.rprof")}


def test_what_was_asked_to_be_left_out_is_not_stored(tmp_path):
    command = [sys.executable, "-m", "rubinprof", "run", "-o", "x.rprof", "--no-command", "-c", "import os; print(os.environ['A_SECRET'])", "arg-secret"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "A_SECRET": "env-secret"}, check=True, capture_output=True)
    raw = subprocess.run([sys.executable, "-m", "rubinprof", "dump", "x.rprof"], cwd=tmp_path, check=True, capture_output=True).stdout
    assert b"secret" not in raw and b"A_SECRET" not in raw
    assert b"secret" not in (tmp_path / "x.rprof").read_bytes()
