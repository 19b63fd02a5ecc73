"""Threads have the names that Python knows, also those that ended long before the stop."""

import subprocess
import sys

import pytest

import rubinprof

pytestmark = pytest.mark.linux

PROGRAM = """
import concurrent.futures, threading, rubinprof

class Own(threading.Thread):
    def run(self):
        work()

class Odd(threading.Thread):
    def __getattribute__(self, name):  # sees nothing of ours, and runs unrecorded
        return super().__getattribute__(name)

def work():
    return sum(range(100))

with rubinprof.Tracker("t.rprof"):
    for thread in [threading.Thread(target=work, name="ended early"), threading.Thread(target=work, name="longer than fifteen characters"),
                   threading.Thread(target=work, name="na\\N{LATIN SMALL LETTER I WITH DIAERESIS}ve"), Own(name="own"), Odd(target=work, name="odd")]:
        thread.start()
        thread.join()
    with concurrent.futures.ThreadPoolExecutor(1, "pool") as pool:
        pool.submit(work).result()
"""


def test_names_of_threads_that_have_ended(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    subprocess.run([sys.executable, "program.py"], cwd=tmp_path, check=True, timeout=60)
    with rubinprof.open(tmp_path / "t.rprof") as trace:
        names = {row["thread"] for row in trace.table("thread")}
    assert names == {"MainThread", "ended early", "longer than fifteen characters", "naïve", "own", "odd", "pool_0"}
