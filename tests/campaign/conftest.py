"""A spool of real traces that the tests of this directory share."""

import contextlib
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("programs") / "quanta.py"
PROCESSES = 6


def trace(path, *words, mode="sampled"):
    """Trace the program of quanta into a file."""
    command = [sys.executable, "-m", "rubinprof", "run", "-o", path, "--cpu", mode, "--memory", mode, PROGRAM, *words]
    subprocess.run([str(word) for word in command], check=True, timeout=120)


@pytest.fixture(scope="session")
def spool(tmp_path_factory):
    """Six processes of five quanta each, the last one killed in its fifth; never written to again."""
    directory = tmp_path_factory.mktemp("spool")
    for i in range(PROCESSES - 1):
        trace(directory / f"{i}.rprof", i, mode="sampled" if i % 2 else "exact")
    killed = [sys.executable, "-m", "rubinprof", "run", "-o", directory / "killed.rprof", "--cpu", "exact", "--memory", "exact", PROGRAM, "killed"]
    subprocess.run([str(word) for word in killed], timeout=120)
    os.utime(directory / "killed.rprof", (0, 0))  # long ago: nobody writes it any more
    return directory


@pytest.fixture(scope="session")
def added(tmp_path_factory, spool):
    """A store of the whole spool, not to be written to."""
    from rubinprof import campaign

    path = tmp_path_factory.mktemp("added") / "store"
    campaign.add(path, spool, workers=0)
    return path


@pytest.fixture
def store(tmp_path, added):
    """A store of the whole spool, of this test alone."""
    return Path(shutil.copytree(added, tmp_path / "store"))


@pytest.fixture
def ask():
    """Calls ``rubinprof campaign`` in this process: what it loads takes longer than most of its answers."""
    from rubinprof.cli import main

    def answer(*words):
        printed, told = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(told):
            try:
                status = main(["campaign", *map(str, words)])
            except SystemExit as end:  # argparse's
                status = end.code
        return subprocess.CompletedProcess(words, status, printed.getvalue(), told.getvalue())

    return answer


@pytest.fixture
def make_store(tmp_path, load_module):
    """Makes a store of quanta and processes, each a dict; what they lack is null."""
    made = load_module(Path(__file__).with_name("made_store.py"))
    return lambda quanta, processes=None, name="made": made.make(tmp_path / name, quanta, processes)
