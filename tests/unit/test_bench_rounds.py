"""`make bench` gives its time to the tools that are near each other."""

import importlib.util
import sys
from pathlib import Path

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
sys.path.insert(0, str(PEERS))  # for what it imports
spec = importlib.util.spec_from_file_location("bench_of_peers", PEERS / "bench.py")  # benchmarks/micro has a bench, too
bench = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bench)


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
