"""What a trace holds after its process was killed, and what the process suffers when its trace cannot be written."""

import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys

import kill_runs
import pytest
from seccomp import IO_URING_SETUP, refuse

import rubinprof

pytestmark = pytest.mark.linux

KILL_RUNS = 6  # make kill does many

def python(program, *args, cwd, **options):
    return subprocess.Popen([sys.executable, "-c", program, *map(str, args)], cwd=cwd, **options)


def stats(path):
    with rubinprof.open(path) as trace:
        return trace.stats()


@pytest.mark.parametrize("run", range(KILL_RUNS))
def test_sigkill_loses_nothing(tmp_path, run):
    kill_runs.run_once(tmp_path, 2 * random.randrange(1 << 30) + run % 2)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGABRT, signal.SIGSEGV])
def test_other_deaths_leave_the_trace_too(tmp_path, signal_number):
    program = (
        "import os, rubinprof\n"
        "rubinprof.Tracker('x.rprof').start()\n"
        "rubinprof.region('last').__enter__()\n"
        f"os.kill(os.getpid(), {int(signal_number)})\n"
    )
    process = python(program, cwd=tmp_path, stderr=subprocess.DEVNULL)
    assert process.wait() == -signal_number
    regions = rubinprof.open(tmp_path / "x.rprof").regions()
    assert [(r["name"], r["unfinished"]) for r in regions] == [("last", True)]


def test_a_trace_that_is_killed_at_once_says_how_it_was_written(tmp_path):
    process = python("import os, rubinprof\nrubinprof.Tracker('x.rprof').start()\nos.kill(os.getpid(), 9)", cwd=tmp_path)
    assert process.wait() == -signal.SIGKILL
    figures = stats(tmp_path / "x.rprof")
    assert figures["writer"] == "write"
    assert figures["writer_reason"]


# Two megabytes of events that do not compress to nothing.
BUSY = """
import random, sys, rubinprof
from rubinprof import _capture
chance = random.Random(1)
with rubinprof.Tracker(sys.argv[1]) as tracker:
    for _ in range(60000):
        bytes(chance.randrange(600, 60000))
    print(sys.modules["json"].dumps(_capture.status()) if "json" in sys.modules else __import__("json").dumps(_capture.status()))
print("unharmed")
"""


def run_busy(path, cwd, **options):
    done = subprocess.run(
        [sys.executable, "-c", BUSY, str(path)], cwd=cwd, capture_output=True, text=True, timeout=120, **options
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a tmpfs of a given size; unmounts it after the test."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(size):
        if os.geteuid() != 0:
            pytest.skip("mounting a small tmpfs needs root")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], capture_output=True)
        if done.returncode:
            pytest.skip("a tmpfs cannot be mounted here")
        return disk

    yield mount
    subprocess.run(["umount", "-l", disk], capture_output=True)


def test_a_full_disk_costs_events_and_counts_them(tmp_path, small_disk):
    disk = small_disk("4352k")
    status, out, said = run_busy(disk / "x.rprof", tmp_path)
    assert status == 0 and out[-1] == "unharmed", said
    figures = stats(disk / "x.rprof")
    assert figures["lost_events"] >= figures["lost_allocations"] + figures["lost_calls"] + figures["lost_frees"] > 0
    assert figures["lost_allocations"] > 0
    assert figures["events"] > 0
    assert figures["python"].startswith("3.")
    for report in ("stats", "table", "tree", "regions"):
        words = [sys.executable, "-m", "rubinprof", report, disk / "x.rprof"]
        text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        assert text.startswith("Lost  "), text


def test_what_was_lost_before_a_failed_exec_counts_once(tmp_path, small_disk):
    disk = small_disk("4352k")
    fails = "    for _ in range(3):\n        try: __import__('os').execv('/no/such/program', ['x'])\n        except FileNotFoundError: pass\n"
    program = BUSY.replace("    print(", fails + "    print(", 1)
    done = subprocess.run([sys.executable, "-c", program, disk / "x.rprof"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    figures = stats(disk / "x.rprof")
    by_kind = sum(figures[f"lost_{kind}"] for kind in ("calls", "allocations", "frees", "samples"))
    assert by_kind <= figures["lost_events"] < 2 * by_kind  # returns and the like are of no kind


def test_no_room_for_the_live_area_falls_back_to_memory(tmp_path, small_disk):
    disk = small_disk("3m")
    status, out, said = run_busy(disk / "x.rprof", tmp_path)
    assert status == 0, said
    figures = json.loads(out[0])
    assert (figures["live"], figures["live_reason"]) == ("memory", "no space on the device for the live area")
    assert out[-1] == "unharmed"
    assert stats(disk / "x.rprof")["complete"]


def test_a_file_size_limit_is_no_signal(tmp_path):
    limit = 256 << 10

    def lower():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    status, out, said = run_busy("x.rprof", tmp_path, preexec_fn=lower)
    assert json.loads(out[0])["live"] == "memory"
    assert (tmp_path / "x.rprof").stat().st_size <= limit
    assert stats(tmp_path / "x.rprof")["lost_events"] > 0


def test_without_io_uring_the_reason_is_told(tmp_path):
    status, out, said = run_busy("x.rprof", tmp_path, env={**os.environ, "RUBINPROF_NO_URING": "1"})
    figures = json.loads(out[0])
    assert (status, figures["writer"], figures["writer_reason"]) == (0, "write", "io_uring was switched off")
    assert "write" in json.dumps(stats(tmp_path / "x.rprof")["writer"])


def test_io_uring_refused_by_seccomp(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", refuse([IO_URING_SETUP], errno.EPERM) + BUSY, "x.rprof"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[0])
    assert figures["writer"] == "write"
    assert "Operation not permitted" in figures["writer_reason"]
    assert stats(tmp_path / "x.rprof")["complete"]


def test_an_unwritable_directory_is_one_sentence(tmp_path):
    for where in ("/proc", tmp_path / "missing" / "x.rprof", "/dev/null/x.rprof"):
        with pytest.raises(rubinprof.TracerError, match="cannot be created: ") as caught:
            rubinprof.Tracker(where).start()
        assert "\n" not in str(caught.value)
    assert not rubinprof.is_active()


def test_a_budget_of_file_bytes_is_kept(tmp_path):
    budget = 300_000
    program = BUSY.replace("Tracker(sys.argv[1])", f"Tracker(sys.argv[1], max_file_bytes={budget}, max_memory_bytes=1 << 20)")
    subprocess.run([sys.executable, "-c", program, "x.rprof"], cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert (tmp_path / "x.rprof").stat().st_size <= budget
    figures = stats(tmp_path / "x.rprof")
    assert figures["lost_events"] >= figures["lost_allocations"] > 0
    assert figures["gave_way"] in ("memory", "calls")
    assert figures["cpu_s"] > 0
    assert figures["complete"]


FORKING = """
import os, sys, rubinprof

def child_work(depth):
    with rubinprof.region("child", depth=depth):
        [bytes(700) for _ in range(1000)]
        if depth:
            pid = os.fork()
            if pid == 0:
                child_work(depth - 1)
                os._exit(0)
            os.waitpid(pid, 0)

rubinprof.Tracker("x.rprof").start()
with rubinprof.region("parent"):
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            child_work(1)
            os._exit(0)
        os.waitpid(pid, 0)
        [bytes(700) for _ in range(1000)]
"""


def test_forks_of_forks_each_have_their_own_file_and_the_parent_is_unharmed(tmp_path):
    assert python(FORKING, cwd=tmp_path).wait() == 0
    names = sorted(os.listdir(tmp_path))
    assert len(names) == 1 + 3 * 2
    for name in names:
        figures = stats(tmp_path / name)
        assert figures["complete"]
        assert figures["lost_events"] == 0
    merged = rubinprof.open(tmp_path)
    assert merged.stats()["processes"] == 7
    assert sorted(region["name"] for region in merged.regions()) == ["child"] * 6 + ["parent"]


def test_a_fork_that_python_does_not_see_stays_inert(tmp_path):
    program = (
        "import ctypes, os, rubinprof\n"
        "libc = ctypes.CDLL(None)\n"
        "with rubinprof.Tracker('x.rprof'):\n"
        "    pid = libc.fork()\n"
        "    if pid == 0:\n"
        "        [bytes(700) for _ in range(100000)]\n"
        "        libc._exit(0)\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
        "    [bytes(700) for _ in range(1000)]\n"
    )
    assert python(program, cwd=tmp_path).wait() == 0
    assert os.listdir(tmp_path) == ["x.rprof"]
    figures = stats(tmp_path / "x.rprof")
    assert figures["complete"]
    assert 1000 <= figures["allocations"] < 50000


@pytest.mark.slow
def test_starting_and_stopping_many_times_leaks_nothing(tmp_path):
    program = (
        "import os, resource, rubinprof\n"
        "def size(): return int(open('/proc/self/statm').read().split()[1])\n"
        "for n in range(60):\n"
        "    with rubinprof.Tracker('x.rprof', overwrite=True): [bytes(700) for _ in range(1000)]\n"
        "    if n == 20: before, fds, maps = size(), os.listdir('/proc/self/fd'), len(open('/proc/self/maps').readlines())\n"
        "assert size() - before < 500, (size() - before)\n"
        "assert len(os.listdir('/proc/self/fd')) == len(fds)\n"
        "assert len(open('/proc/self/maps').readlines()) - maps < 20\n"
    )
    assert python(program, cwd=tmp_path).wait() == 0
