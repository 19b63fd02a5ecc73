"""What a Python gets whose insides are not known here."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AS_OF_TOMORROW = """
import setuptools, sys, runpy
sys.version_info = (3, 14, 0, "final", 0)
sys.argv = ["setup.py", "--name"]
runpy.run_path("setup.py", run_name="__main__")
"""


@pytest.mark.linux
def test_a_newer_python_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.delenv("RUBINPROF_WITHOUT_CAPTURE", raising=False)
    done = subprocess.run([sys.executable, "-c", AS_OF_TOMORROW], cwd=ROOT, capture_output=True, text=True, check=False)
    (sentence,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert "3.11, 3.12, 3.13, not CPython 3.14" in sentence and "RUBINPROF_WITHOUT_CAPTURE=1" in sentence


@pytest.mark.linux
def test_the_half_that_reads_traces_is_not_refused(monkeypatch):
    monkeypatch.setenv("RUBINPROF_WITHOUT_CAPTURE", "1")
    done = subprocess.run([sys.executable, "-c", AS_OF_TOMORROW], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.split()[-1] == "rubinprof"
