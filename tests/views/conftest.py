"""Traces of tests/views/programs/work.py: recorded once, seen through every view."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import rubinprof
from rubinprof import exports

sys.path.insert(0, str(Path(__file__).parent))  # import-mode=importlib does not, and the tests share patience
WORK = Path(__file__).parent / "programs" / "work.py"


@pytest.fixture(scope="session")
def rubinprof_command():
    """Runs the command as a user does."""

    def run(*words, **options):
        command = [sys.executable, "-m", "rubinprof", *map(str, words)]
        return subprocess.run(command, **{"capture_output": True, "text": True, "timeout": 120} | options)

    return run


@pytest.fixture(scope="session")
def forked_program():
    """The program of several processes: programs/forked.py CHILDREN STEPS."""
    return WORK.with_name("forked.py")


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
def consumers(load_module):
    """The module of the programs that read exports."""
    return load_module(Path(__file__).with_name("consumers.py"))


@pytest.fixture(scope="session")
def exporting(rubinprof_command):
    """Given a trace and a directory, a function that exports a format of it with the command, once, and returns the file."""

    def of(trace, directory):
        made = {}

        def export(format, *words):
            if (format, words) not in made:
                path = directory / f"{len(made)}{exports.exporter(format).SUFFIX}"
                done = rubinprof_command("export", trace, "-f", format, "-o", path, *words)
                assert (done.returncode, done.stderr) == (0, "")
                made[format, words] = path
            return made[format, words]

        return export

    return of
