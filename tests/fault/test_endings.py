"""How tracing ended is told apart: by a stop, by a signal or an exec, not yet, and what has nothing to do with it: damage."""

import os
import signal
import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

PROGRAM = """
import os, sys, rubinprof
tracker = rubinprof.Tracker("x.rprof", cpu=sys.argv[1], memory=sys.argv[1])
tracker.start()
print(sum(map(len, map(str, range(1000)))), flush=True)
sys.stdin.read(1)
"""


def begin(cwd, mode, program=PROGRAM):
    process = subprocess.Popen([sys.executable, "-c", program, mode], cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"2890\n"
    return process


def end(process):
    process.communicate()


def ended(path):
    """What `stats`, `stats --json` and `verify` say of a trace."""
    with rubinprof.open(path) as trace:
        stats, verify, text = trace.stats(), trace.verify()["files"][0], trace.report("table", "text").decode()
    (word,) = [word for word, n in stats["ended"].items() if n]
    assert word == stats["by_process"][0]["ended"] == verify["state"]
    return word, stats["damaged_files"], text.splitlines()[0]


@pytest.mark.parametrize("mode", ["exact", "sampled"])
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_by_a_signal_is_not_damaged(tmp_path, mode, signal_number):
    process = begin(tmp_path, mode)
    word, damaged, note = ended(tmp_path / "x.rprof")
    assert (word, damaged) == ("running", 0)
    assert note.startswith("Running       1 of 1 processes are being traced still")
    process.send_signal(signal_number)
    end(process)
    assert process.returncode == -signal_number
    wait_for_lock(tmp_path / "x.rprof")
    word, damaged, note = ended(tmp_path / "x.rprof")
    assert (word, damaged) == ("killed", 0)
    assert note.startswith("Killed        1 of 1 processes ended without a stop, by a signal or an exec")


def test_a_stop_is_a_stop_and_damage_is_damage(tmp_path):
    end(begin(tmp_path, "exact"))
    path = tmp_path / "x.rprof"
    assert ended(path)[:2] == ("stopped", 0)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    word, damaged, note = ended(path)
    assert (word, damaged) == ("stopped", 1)
    assert "Damaged       1 of 1 files" in rubinprof.open(path).report("stats", "text").decode()


def test_what_ran_is_told_although_the_first_file_is_damaged(tmp_path):
    for name, mode in (("a", "exact"), ("b", "sampled"), ("c", "exact")):
        program = PROGRAM.replace("x.rprof", f"{name}.rprof").replace("tracker.start()", f"sys.argv[0] = '{name}.py'; tracker.start()")
        end(begin(tmp_path, mode, program))
    damaged = bytearray((tmp_path / "a.rprof").read_bytes())
    head = int.from_bytes(damaged[8:12], "little")
    damaged[head:-1] = bytes(len(damaged) - head - 1)
    (tmp_path / "a.rprof").write_bytes(damaged)
    with rubinprof.open(tmp_path) as trace:
        stats, text = trace.stats(), trace.report("stats", "text").decode().splitlines()
    assert (stats["command"], stats["python"], stats["mode"]["cpu"]) == ("b.py sampled", sys.version.split()[0], "mixed")
    assert stats["differing"] == {"command": 2, "mode.cpu": 2, "mode.memory": 2}
    told = [" ".join(line.split()) for line in text]
    assert "Command b.py sampled (one of 2 commands)" in told
    assert f"Python {sys.version.split()[0]}" in told
    assert "Mode cpu exact (1 process), sampled (1) memory exact (1 process), sampled (1), native" in told


def test_a_program_that_closes_all_descriptors_is_still_running(tmp_path):
    process = begin(tmp_path, "exact", PROGRAM.replace("print(", "os.closerange(3, 1000); print("))
    assert ended(tmp_path / "x.rprof")[0] == "running"
    end(process)
    assert ended(tmp_path / "x.rprof")[0] == "stopped"


def wait_for_lock(path):
    """The kernel takes an io_uring apart after its process has gone."""
    import fcntl

    with open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert os.fstat(file.fileno()).st_size


# ---- what they leave on the disk ----

MIB = 1 << 20
LEFT = {"exact": (12 * MIB, 4.5 * MIB), "sampled": (3 * MIB, 1.25 * MIB)}  # apparent and disk bytes, of which live buffers are nearly all


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_a_killed_process_leaves_a_file_of_bounded_size(tmp_path, mode):
    process = begin(tmp_path, mode)
    process.kill()
    end(process)
    left = (tmp_path / "x.rprof").stat()
    assert left.st_size <= LEFT[mode][0]
    assert left.st_blocks * 512 <= LEFT[mode][1]


POOL = """
import multiprocessing, sys, time, rubinprof
def work(i):
    return len([bytes(1000) for _ in range(200)])
def stay(i):
    all_stay.wait()
    time.sleep(100)
if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    both = context.Barrier(2)  # on a busy machine one may do all the work before the other has begun its trace
    all_stay = context.Barrier(3)  # one that waits for work may be told that there is no more, and ends by itself
    with rubinprof.Tracker("x.rprof", cpu=sys.argv[1], memory=sys.argv[1]):
        with context.Pool(2, both.wait) as pool:
            print(sum(pool.map(work, range(20), chunksize=1)))
            pool.map_async(stay, range(2), chunksize=1)
            all_stay.wait()
"""


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_the_files_of_terminated_workers_are_finished_by_their_parent(tmp_path, mode):
    done = subprocess.run([sys.executable, "-c", POOL, mode], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "4000\n"), done.stderr
    workers = sorted(tmp_path.glob("x-*.rprof"))
    assert len(workers) == 2
    events = 0  # of both: one may do all the work
    for path in workers:
        (file,) = rubinprof.open(path).verify()["files"]
        assert (file["state"], file["live_buffers"], file["damaged_blocks"], file["missing_blocks"]) == ("killed", 0, 0, 0)
        events += file["events"]
        assert path.stat().st_size < MIB
    assert events > 0
    with rubinprof.open(tmp_path) as trace:
        stats, rows = trace.stats(), {row["function"]: row for row in trace.table()}
    assert stats["ended"] == {"stopped": 1, "killed": 2, "running": 0, "running or killed": 0}
    assert stats["damaged_files"] == 0
    if mode == "exact":
        assert rows["work"]["calls"] == 20


LIVING = """
import os, signal, sys, rubinprof
r, w = os.pipe()
with rubinprof.Tracker("x.rprof"):
    if os.fork() == 0:
        os.write(w, b"x")
        signal.pause()
    os.read(r, 1)
print(2890, flush=True)
sys.stdin.read(1)
"""


def test_the_file_of_a_child_that_lives_is_left_alone(tmp_path):
    process = begin(tmp_path, "exact", LIVING)
    (path,) = tmp_path.glob("x-*.rprof")
    try:
        assert ended(path)[0] == "running"
        assert path.stat().st_size > MIB
    finally:
        os.kill(rubinprof.open(path).verify()["files"][0]["pid"], signal.SIGKILL)
        end(process)


def test_an_image_finishes_the_file_of_the_one_before(tmp_path):
    program = "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'print(1)'])"
    subprocess.run([sys.executable, "-m", "rubinprof", "run", "-o", "x.rprof", "-c", program], cwd=tmp_path, check=True)
    assert (tmp_path / "x.rprof").stat().st_size < MIB
    assert ended(tmp_path / "x.rprof")[0] == "killed"
