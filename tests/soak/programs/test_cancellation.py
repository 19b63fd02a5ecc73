"""A stress of pthread_cancel in C++, as a suite of its own: every thread ends by its cancellation, and nothing is lost."""

import ctypes
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("cancel_stress.cpp")
DEFERRED, FIRST_EVENT = 0, 1


@pytest.fixture(scope="module")
def cancel_round(tmp_path_factory):
    library = tmp_path_factory.mktemp("cancel") / "cancel_stress.so"
    subprocess.run(["g++", "-O1", "-shared", "-fPIC", "-pthread", SOURCE, "-o", library], check=True)
    function = ctypes.CDLL(str(library)).cancel_round
    function.restype, function.argtypes = ctypes.c_long, [ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.c_long]
    return function


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("kind", [DEFERRED, FIRST_EVENT])
def test_each_thread_ends_by_its_cancellation(cancel_round, kind, threads):
    for seed in range(200):
        assert cancel_round(kind, threads, seed, seed * 37 % 5000) == threads
