"""`make bench` gives its time to the tools that are near each other."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "peers"))
import bench  # noqa: E402


def rounds(*factors):
    return [{"untraced": {"wall_s": 0.5}, "tool": {"wall_s": 0.5 * factor}} for factor in factors]


def test_a_tool_several_times_as_dear_is_settled_after_two_rounds():
    """One round in which it was not says that it is near: it goes on. So does one that has failed, or was never run."""
    assert not bench.is_settled(rounds(), "tool")
    assert not bench.is_settled(rounds(20), "tool")
    assert bench.is_settled(rounds(20, 15), "tool")
    assert not bench.is_settled(rounds(20, 1.5), "tool")
    assert not bench.is_settled(rounds(1.5, 1.4, 1.6), "tool")
    assert not bench.is_settled(rounds(20, 15), "another")
