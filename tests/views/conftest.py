"""Traces of tests/views/programs/work.py: recorded once, seen through every view."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import rubinprof

WORK = Path(__file__).parent / "programs" / "work.py"


@pytest.fixture(scope="session")
def rubinprof_command():
    """Runs the command as a user does."""

    def run(*words, **options):
        command = [sys.executable, "-m", "rubinprof", *map(str, words)]
        return subprocess.run(command, **{"capture_output": True, "text": True, "timeout": 120} | options)

    return run


@pytest.fixture(scope="session")
def analyze_command():
    """Runs the analyzer without Python."""
    program = Path(rubinprof.__file__).parent / "_bin" / "rubinprof-analyze"

    def run(*words):
        return subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=120)

    run.program = program
    return run


@pytest.fixture(scope="session")
def traces(tmp_path_factory, rubinprof_command):
    """``a`` and ``b``: runs of the same program, in which b does twice the work."""
    directory = tmp_path_factory.mktemp("traces")
    found = SimpleNamespace(directory=directory, program=WORK, a=[], b=[])
    for name, factor in (("a", 1), ("b", 2), ("a", 1), ("b", 2)):
        runs = getattr(found, name)
        path = directory / f"{name}{len(runs)}.rprof"
        done = rubinprof_command("run", "-o", path, "--sample-hz", "997", WORK, factor)
        assert done.returncode == 0, done.stderr
        runs.append(path)
    return found


@pytest.fixture(scope="session")
def consumers():
    """Tests are imported by path, so a plain import would not find it."""
    name = "rubinprof_tests_consumers"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("consumers.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
