"""The one repository that the tests of this directory share."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # import-mode=importlib does not, and the tests share pipeline_run

from pipeline_run import PROGRAMS, TinyPipeline, made_once, must_call  # noqa: E402


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory):
    """The tiny pipeline; several pytest processes share one directory."""
    base = tmp_path_factory.getbasetemp()
    return TinyPipeline((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "lsst")


@pytest.fixture(scope="session")
def two_jobs(pipeline):
    """The run "provenance" of the tiny pipeline: ``traces`` of its two jobs and the provenance ``graph.qg``."""
    made = pipeline.directory / "provenance"
    with made_once(made) as missing:
        if missing:
            must_call([sys.executable, PROGRAMS / "provenance.py", pipeline.repo, "provenance", made], made)
    return made
