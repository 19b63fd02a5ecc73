"""Programs with known answers are run traced, once each; the tests look at what the reports say of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rubinprof

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "extensions"))
import build  # noqa: E402


class Traced:
    """A program that was run traced, and its trace."""

    def __init__(self, path, output):
        self.path = path
        self.output = output
        self.trace = rubinprof.open(path)
        self.stats = self.trace.stats()

    def row(self, function, **wanted):
        """The one row of the function table with this name."""
        found = [
            row
            for row in self.trace.table(by="function")
            if row["function"].partition("(")[0] == function and all(row[k] == v for k, v in wanted.items())
        ]
        assert len(found) == 1, f"{function}: {found}"
        return found[0]


@pytest.fixture(scope="session")
def extensions_path():
    return build.build()


@pytest.fixture(scope="session")
def run_traced(extensions_path, tmp_path_factory):
    """Runs Python source under a Tracker in a fresh process. `setup` runs before, `source` inside."""

    def run(source, setup="", **options):
        directory = tmp_path_factory.mktemp("traced")
        path = directory / "t.rprof"
        program = (
            "import rubinprof\nimport counted_c, counted_cpp\n"
            f"{setup}\nwith rubinprof.Tracker({str(path)!r}, **{options!r}):\n"
            + "".join(f"    {line}\n" for line in source.splitlines())
        )
        script = directory / "program.py"
        script.write_text(program)
        done = subprocess.run(
            [sys.executable, script],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(extensions_path), os.environ.get("PYTHONPATH")])), "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return Traced(path, done.stdout)

    return run
