"""The trace of a process that runs many quanta, and is killed."""

import resource
import signal
import subprocess
import sys

import pytest

import rubinprof

pytestmark = [pytest.mark.lsst, pytest.mark.linux]

QUANTA = 20
PROGRAM = f"""
import os, signal, rubinprof
from rubinprof.lsst.process_trace import ProcessTrace

trace = ProcessTrace("traces", {{}}, single_quantum=False)
trace.start()
for quantum in range({QUANTA}):
    with rubinprof.region("quantum", number=str(quantum)):
        trace.secure()
        len(str(quantum))
    trace.end_quantum()
print(rubinprof.tracker.survives_kill(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))


@pytest.mark.parametrize("limit", [None, limit_files], ids=["mapped", "memory"])
def test_quanta_that_ended_outlive_the_process(tmp_path, limit):
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=tmp_path, preexec_fn=limit, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout.strip() == str(limit is None)
    [path] = tmp_path.rglob("*.rprof")
    regions = rubinprof.open(path).regions()
    assert [row["labels"]["number"] for row in regions] == [str(quantum) for quantum in range(QUANTA)]
    assert not any(row["unfinished"] for row in regions)


def test_quanta_in_the_file_by_themselves_are_not_written_one_by_one(tmp_path):
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "True", done.stderr
    [path] = tmp_path.rglob("*.rprof")
    with open(path, "rb") as trace:
        assert trace.read(1 << 20).count(b"RPBK") < QUANTA
