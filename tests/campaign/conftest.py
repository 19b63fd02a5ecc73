"""A spool of real traces that the tests of this directory share."""

import os
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


@pytest.fixture
def store(tmp_path, spool):
    """A store of the whole spool."""
    from rubinprof import campaign

    campaign.add(tmp_path / "store", spool, workers=0)
    return tmp_path / "store"


@pytest.fixture
def make_store(tmp_path, load_module):
    """Makes a store of quanta and processes, each a dict; what they lack is null."""
    made = load_module(Path(__file__).with_name("made_store.py"))
    return lambda quanta, processes=None, name="made": made.make(tmp_path / name, quanta, processes)
