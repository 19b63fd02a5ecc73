"""Modes that are promised and not built are refused, never run as something else."""

import subprocess
import sys

import pytest

import rubinprof


@pytest.mark.parametrize("what", ["cpu", "memory"])
def test_sampled_is_refused(what, tmp_path):
    with pytest.raises(rubinprof.errors.TracerError, match=f"{what}='sampled' is not built yet"):
        rubinprof.Tracker(tmp_path / "t.rprof", **{what: "sampled"})


def test_sampled_is_refused_by_run():
    run = subprocess.run(
        [sys.executable, "-m", "rubinprof", "run", "--cpu", "sampled", "-c", "1"], capture_output=True, text=True
    )
    assert run.returncode == 2
    assert "sampled" in run.stderr
    assert "Traceback" not in run.stderr
