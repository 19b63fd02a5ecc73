"""Collects the C unit tests: tests/cunit/<room>/test_*.c, one program and one pytest item each.

A program exits 0 when its behaviour holds, 1 when not, 77 when it cannot tell on this machine.
How it is built is in ci/cbuild.py; RUBINPROF_SANITIZE=address or thread builds it under a sanitizer.
"""

import functools
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "ci"))
import cbuild  # noqa: E402


@functools.cache
def the_build():
    return cbuild.Build(os.environ.get("RUBINPROF_SANITIZE", ""))


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".c" and file_path.name.startswith("test_"):
        return CFile.from_parent(parent, path=file_path)
    return None


class CFile(pytest.File):
    def collect(self):
        item = CTest.from_parent(self, name=self.path.stem)
        if self.path.parent.name in cbuild.CAPTURE_ONLY_ROOMS:
            item.add_marker(pytest.mark.linux)
        yield item


class CTest(pytest.Item):
    def runtest(self):
        program = the_build().unit_test(self.path)
        directory = self.config._tmp_path_factory.mktemp(self.name)
        status, said = cbuild.run_unit_test(program, directory)
        if status == cbuild.SKIPPED:
            pytest.skip(said.strip().splitlines()[-1] if said.strip() else "the program gave no reason")
        if status:
            raise CTestFailed(f"exit status {status}\n{said}")

    def repr_failure(self, excinfo):
        if isinstance(excinfo.value, (CTestFailed, cbuild.BuildError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, 0, f"{self.path.parent.name}/{self.name}"


class CTestFailed(Exception):
    """A C test program said no; str() is what it printed."""
