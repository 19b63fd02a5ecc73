"""`make bench` gives its time to the tools that are near each other, and shows the last release beside today; the demo is the one of `make demo`."""

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


def results(**cpu_s):
    """What bench.py keeps of one round of one program."""
    one = {tool: {"wall_s": cpu, "cpu_s": cpu, "rss_bytes": 1 << 20, "out_bytes": 10, "why": ""} for tool, cpu in cpu_s.items()}
    machine = {"cpu": "a processor", "cores": 2, "kernel": "6", "python": "3.13.0", "commit": "abc", "at": "2026-11-30 12:00"}
    return {"machine": machine, "programs": {"calls": [one]}, "counted": {}, "sees": dict.fromkeys(cpu_s, "calls")}


def test_the_page_shows_the_last_release_beside_today(tmp_path, monkeypatch):
    import page
    import released

    monkeypatch.setattr(released, "FILE", tmp_path / "released.json")
    assert released.read() is None
    released.keep(results(untraced=1.0, rubinprof=3.0), "0.1.0")
    page.write(results(untraced=1.0, rubinprof=1.5, other=2.0), tmp_path / "page.html", released.read())
    shown = (tmp_path / "page.html").read_text()
    assert shown.count("1.50 / 3.00") == 2  # of all programs, and of this one
    assert "those of 0.1.0, measured 2026-11-30" in shown
    assert "2.00 / " not in shown  # the release has no figure of the other

    page.write(results(untraced=1.0, rubinprof=1.5), tmp_path / "page.html")
    assert " / " not in (tmp_path / "page.html").read_text()


def test_the_demo_is_planned_and_run_as_make_demo_does(monkeypatch, tmp_path):
    """The benchmark asks the demo's own script for its commands."""
    import programs

    asked = []
    monkeypatch.setattr(programs.subprocess, "run", lambda command, **_: asked.append([str(word) for word in command]))
    demo = programs.Demo(tmp_path)
    assert "make_repo.py" in asked[0][1]
    assert "qgraph" in asked[1]
    assert "run" in demo.words(tmp_path)
