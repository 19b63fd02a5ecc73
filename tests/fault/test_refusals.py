"""A system that refuses: directories, descriptors, locked memory, io_uring and perf. The program ends as it does untraced, and the trace
says what served instead."""

import errno
import json
import os
import resource
import subprocess
import sys

import pytest
from seccomp import IO_URING_SETUP, refuse

import rubinprof

pytestmark = pytest.mark.linux

WORK = """
import json, os, resource, shutil, sys, threading, rubinprof
from rubinprof import _capture

def work():
    def step(): return [bytes(700) for _ in range(50)]
    threads = [threading.Thread(target=step) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for _ in range(200): step()
"""

PERF_EVENT_OPEN = 298


def run(program, cwd, **options):
    done = subprocess.run(
        [sys.executable, "-c", WORK + program], cwd=cwd, capture_output=True, text=True, timeout=60, **options
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def check(path, calls=204):
    with rubinprof.open(path) as trace:
        figures = trace.stats()
        rows = {row["function"]: row for row in trace.table()}
    assert figures["complete"]
    assert figures["lost_events"] == 0
    assert rows["work.<locals>.step"]["calls"] == calls
    return figures


def status_without(numbers, error, tmp_path, **options):
    """What capture says of itself where system calls fail with ``error``; its trace is complete when every call is in it."""
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers of system calls are those of x86-64")
    program = refuse(numbers, error)
    program += f"with rubinprof.Tracker('x.rprof', **{options!r}): work(); print(json.dumps(_capture.status()))\n"
    status = run(program, tmp_path)
    if not options:
        check(tmp_path / "x.rprof")
    return status


@pytest.mark.parametrize("refused", [[IO_URING_SETUP], [PERF_EVENT_OPEN], [IO_URING_SETUP, PERF_EVENT_OPEN]])
def test_io_uring_and_perf_refused(tmp_path, refused):
    status = status_without(refused, errno.EPERM, tmp_path)
    if IO_URING_SETUP in refused:
        assert (status["writer"], status["writer_reason"]) == ("write", "io_uring was refused: Operation not permitted")
    if PERF_EVENT_OPEN in refused:
        assert status["switch"] == "periodic"
        assert status["switch_reason"].startswith("perf_event_open: EPERM")


def test_sampled_mode_opens_no_perf_event(tmp_path):
    # It would be refused, and the reason would say so.
    status = status_without([PERF_EVENT_OPEN], errno.EPERM, tmp_path, cpu="sampled", memory="sampled")
    assert (status["switch"], status["switch_reason"]) == ("periodic", "read at samples and regions")


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.ENOMEM, errno.EMFILE])
def test_io_uring_is_not_to_be_had(tmp_path, error):
    """A kernel that has none, or no memory or descriptor for it."""
    status = status_without([IO_URING_SETUP], error, tmp_path)
    assert (status["writer"], status["writer_reason"]) == ("write", f"io_uring was refused: {os.strerror(error)}")


def test_no_address_space_is_left(tmp_path):
    """The program meets its MemoryError, and what we could not map is missing from the trace at most."""
    program = """
def fill():
    kept = []
    for size in (1 << 22, 1 << 12):
        try:
            while True: kept.append(bytearray(size))
        except MemoryError:
            pass
    said = []
    try:
        thread = threading.Thread(target=said.append, args=("ran",))
        thread.start()
        thread.join()
    except (RuntimeError, MemoryError):  # can't start new thread: no room for its stack, or for its objects
        said.append("refused")
    return len(kept) > 50, len(said)

tracker = rubinprof.Tracker("x.rprof").start()
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (300 << 20), resource.getrlimit(resource.RLIMIT_AS)[1]))
filled = fill()
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
work()
tracker.stop()
print(json.dumps(filled))
"""
    assert run(program, tmp_path) == [True, 1]
    with rubinprof.open(tmp_path / "x.rprof") as trace:
        assert trace.stats()["complete"]
        rows = {row["function"]: row for row in trace.table()}
    assert rows["fill"]["calls"] == 1
    assert rows["work.<locals>.step"]["calls"] == 204


def test_no_locked_memory(tmp_path):
    def lower():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))

    program = "with rubinprof.Tracker('x.rprof'): work(); print(json.dumps(_capture.status()))\n"
    run(program, tmp_path, preexec_fn=lower)
    check(tmp_path / "x.rprof")


def test_no_descriptor_at_the_start(tmp_path):
    program = """
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, hard))
try:
    rubinprof.Tracker("x.rprof").start()
except rubinprof.TracerError as error:
    said = str(error)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
work()
print(json.dumps(said))
"""
    said = run(program, tmp_path)
    assert said.endswith("x.rprof cannot be created: Too many open files")
    assert os.listdir(tmp_path) == []


def test_descriptors_run_out_while_tracing(tmp_path):
    program = """
with rubinprof.Tracker("x.rprof"):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    work()  # its threads get no perf event
    print(json.dumps(None))
"""
    run(program, tmp_path)
    check(tmp_path / "x.rprof")


def test_the_directory_is_deleted_while_tracing(tmp_path):
    program = """
os.mkdir("gone")
tracker = rubinprof.Tracker("gone/x.rprof").start()
work()
shutil.rmtree("gone")
work()
tracker.stop()
print(json.dumps(None))
"""
    run(program, tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_read_only_file_system_is_one_sentence(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("a read-only file system cannot be mounted here")
    try:
        with pytest.raises(rubinprof.TracerError, match="cannot be created: Read-only file system$"):
            rubinprof.Tracker(disk / "x.rprof").start()
    finally:
        subprocess.run(["umount", disk], check=True)


def test_links_are_not_followed_and_the_file_is_private(tmp_path):
    (tmp_path / "target").write_text("somebody else's")
    (tmp_path / "x.rprof").symlink_to("target")
    (tmp_path / "y.rprof").symlink_to("nothing yet")
    for name in ("x.rprof", "y.rprof"):
        with pytest.raises(rubinprof.TracerError, match="exists"):
            rubinprof.Tracker(tmp_path / name).start()
    assert (tmp_path / "target").read_text() == "somebody else's"
    assert not (tmp_path / "nothing yet").exists()
    with rubinprof.Tracker(tmp_path / "z.rprof"):
        pass
    assert (tmp_path / "z.rprof").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mask", [0, 0o022, 0o177])
def test_the_umask_may_take_more_rights_away(tmp_path, mask):
    program = f"os.umask({mask})\nwith rubinprof.Tracker('x.rprof'): work()\nprint(json.dumps(None))\n"
    run(program, tmp_path)
    assert (tmp_path / "x.rprof").stat().st_mode & 0o777 == 0o600 & ~mask


def test_processes_with_one_pid_and_one_second_do_not_collide(tmp_path):
    """Containers on two nodes may share host name, pid 1 and the second of the start."""
    program = """
import time
os.getpid = lambda: 1
time.strftime = lambda *args: "20260101T000000"
names = []
for _ in range(3):
    with rubinprof.Tracker(".", program="job") as tracker: work()
    names.append(os.path.basename(tracker.path))
print(json.dumps(names))
"""
    names = run(program, tmp_path) + run(program, tmp_path)
    assert len(set(names)) == 6 == len(os.listdir(tmp_path))
    with rubinprof.open(tmp_path) as trace:
        assert trace.stats()["processes"] == 6
        assert trace.stats()["complete"]
