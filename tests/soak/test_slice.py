"""A slice of `make soak`: quick modules of CPython's own suite that are the likeliest to notice an evaluator or a signal."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import soak  # noqa: E402

pytestmark = pytest.mark.linux

SLICE = ["test_generators", "test_sys_setprofile", "test_context", "test_atexit", "test_code", "test_raise"]


@pytest.mark.parametrize("name", SLICE)
def test_the_same_pass_and_fail(name):
    if not soak.exists(sys.executable, name):
        pytest.skip("this Python was installed without its tests")
    plain, traced, found, known = soak.compare(sys.executable, soak.cpython(name), ["--pymalloc"])
    assert {test: pair for test, pair in found.items() if test not in known} == {}
    assert plain.tests and traced.traces
