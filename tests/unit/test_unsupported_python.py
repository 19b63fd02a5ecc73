"""What a Python gets whose insides are not known here."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import rubinprof
from rubinprof import tracker
from rubinprof.version import TRACED_PYTHONS

ROOT = Path(__file__).resolve().parents[2]
BUILD = """
import setuptools, sys, sysconfig, runpy
{change}
sys.argv = ["setup.py", "--name"]
found = runpy.run_path("setup.py", run_name="__main__")
print(sorted(e.name for e in found["extensions"]()))
"""
TOMORROW = (TRACED_PYTHONS[-1][0], TRACED_PYTHONS[-1][1] + 1)
OF_TOMORROW = (
    "import collections; version = collections.namedtuple('version', 'major minor micro releaselevel serial'); "
    f"sys.version_info = version(*{TOMORROW}, 0, 'final', 0)"
)
WITHOUT_GIL = "asked = sysconfig.get_config_var; sysconfig.get_config_var = lambda name: name == 'Py_GIL_DISABLED' or asked(name)"


def build(change):
    return subprocess.run([sys.executable, "-c", BUILD.format(change=change)], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.linux
def test_a_newer_python_gets_the_half_that_reads_and_one_sentence(monkeypatch):
    monkeypatch.delenv("RUBINPROF_WITHOUT_CAPTURE", raising=False)
    done = build(OF_TOMORROW)
    (sentence,) = done.stderr.splitlines()
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "['rubinprof._analyze']"
    assert "cannot trace CPython 3.%d yet, only CPython 3.11, 3.12" % TOMORROW[1] in sentence


@pytest.mark.linux
def test_a_build_without_the_gil_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.delenv("RUBINPROF_WITHOUT_CAPTURE", raising=False)
    done = build(WITHOUT_GIL)
    (sentence,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert "without the GIL" in sentence and "RUBINPROF_WITHOUT_CAPTURE=1" in sentence


@pytest.mark.linux
@pytest.mark.parametrize("change", [OF_TOMORROW, WITHOUT_GIL])
def test_the_half_that_reads_traces_is_not_refused(monkeypatch, change):
    monkeypatch.setenv("RUBINPROF_WITHOUT_CAPTURE", "1")
    done = build(change)
    assert done.returncode == 0 and not done.stderr and "_capture" not in done.stdout


@pytest.mark.linux
def test_a_start_says_why_this_python_is_not_traced(monkeypatch, tmp_path):
    monkeypatch.setattr(tracker, "_capture", None)
    asked = sysconfig.get_config_var
    with monkeypatch.context() as tomorrow, pytest.raises(rubinprof.TracerError, match="not yet on 3.%d; traces can be read" % TOMORROW[1]):
        tomorrow.setattr(sys, "version_info", (*TOMORROW, 0, "final", 0))
        rubinprof.Tracker(tmp_path / "t.rprof").start()
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: name == "Py_GIL_DISABLED" or asked(name))
    with pytest.raises(rubinprof.TracerError, match="builds of CPython with the GIL"):
        rubinprof.Tracker(tmp_path / "t.rprof").start()
