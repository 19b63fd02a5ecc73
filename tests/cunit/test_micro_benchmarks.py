"""`make bench` begins with C programs: each still links."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MICRO = ROOT / "benchmarks" / "micro"
sys.path[:0] = [str(ROOT / "ci"), str(MICRO)]
import bench  # noqa: E402
import cbuild  # noqa: E402

pytestmark = pytest.mark.linux


@pytest.mark.parametrize("source", sorted(MICRO.glob("*.c")), ids=lambda path: path.stem)
def test_links(source):
    assert bench.program(cbuild.Build(), source).exists()
