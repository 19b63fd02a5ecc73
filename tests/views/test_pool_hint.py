"""Beside a peak stands what pools that native code reserved may hold beyond it."""

import subprocess
import sys

import pytest

import rubinprof
from rubinprof.reports.pool_hint import pool_hint

pytestmark = pytest.mark.linux

MB = 1 << 20
# What mimalloc does: addresses that are writable from the start, and become memory as they are touched.
POOL = """
import mmap
MAP_NORESERVE = 0x4000
pool = mmap.mmap(-1, 512 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
for page in range(0, TOUCHED << 20, 4096):
    pool[page] = 1
kept = bytearray(b"x") * (40 << 20)
"""


def traced(tmp_path, touched, *options):
    path = tmp_path / "t.rprof"
    source = POOL.replace("TOUCHED", str(touched))
    subprocess.run([sys.executable, "-m", "rubinprof", "run", *options, "-o", path, "-c", source], check=True, timeout=120)
    return path


@pytest.mark.parametrize("mode", ["exact", "sampled"])
def test_memory_inside_a_reservation_is_hinted_at_beside_the_peak(tmp_path, rubinprof_command, mode):
    path = traced(tmp_path, 150, "--cpu", mode, "--memory", mode)
    with rubinprof.open(path) as trace:
        stats = trace.stats()
    assert stats["reserved_bytes"] == 512 * MB
    assert stats["peak_bytes"] - (stats.get("peak_bytes_error") or 0) < 60 * MB
    # What the kernel counts has a little more, and the estimate's error is on the careful side.
    assert 190 * MB <= stats["resident_growth_bytes"] <= 225 * MB
    assert 100 * MB <= stats["pool_bytes_max"] <= 175 * MB
    assert stats["pool_bytes_max"] <= stats["resident_growth_bytes"] - stats["peak_bytes"]
    text = rubinprof_command("stats", path).stdout
    assert "more may lie in 512 MiB reserved by native pools" in text
    assert text.index("\nPeak ") < text.index("native pools") < text.index("\nReserved ")
    assert "in reserved pools)" in rubinprof_command("top", path, "--once").stdout
    assert "reserved pools" in pool_hint(stats)


def test_no_hint_where_nothing_is_hidden(tmp_path, rubinprof_command):
    path = traced(tmp_path, 0)
    with rubinprof.open(path) as trace:
        stats = trace.stats()
    assert stats["reserved_bytes"] == 512 * MB
    assert stats["pool_bytes_max"] == 0
    assert "native pools" not in rubinprof_command("stats", path).stdout
    assert pool_hint(stats) == ""


def test_unknown_where_memory_was_not_recorded(tmp_path):
    with rubinprof.open(traced(tmp_path, 0, "--memory", "off")) as trace:
        assert trace.stats()["pool_bytes_max"] is None
