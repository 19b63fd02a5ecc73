"""Regions and stretches of time are told by one clock: a region's begin and end, as --from and --to, give what happened in it."""

import json

import pytest

import rubinprof

pytestmark = pytest.mark.linux


@pytest.mark.parametrize("runs", [["a"], ["a", "b"]])
def test_a_region_is_its_stretch_of_time(traces, rubinprof_command, runs):
    paths = [getattr(traces, name)[0] for name in runs]
    with rubinprof.open(*paths) as trace:
        visits = trace.regions()
    assert len(visits) == 3 * len(runs)
    for visit in visits:
        begin, end = visit["start_s"], visit["start_s"] + visit["wall_s"]
        done = rubinprof_command("table", *paths, "--from", f"{begin:.9f}", "--to", f"{end:.9f}", "--json")
        rows = {row["function"]: row for row in json.loads(done.stdout)["rows"]}
        factor = 1 if visit["allocated_bytes"] < 2_500_000 else 2
        assert rows["fit"]["calls"] == 10 * factor and rows["keep"]["calls"] == 1 and rows["recurse"]["calls"] == 21
        assert rows["keep"]["allocated_bytes"] == pytest.approx(1_000_000 * factor, rel=0.01)


def test_an_interval_over_several_runs_is_as_long_as_it_is(traces, rubinprof_command):
    with rubinprof.open(traces.a[0], traces.b[0]) as trace:
        visit = trace.regions()[-1]
    begin, end = visit["start_s"], visit["start_s"] + visit["wall_s"] / 2  # in the later run, when the earlier one has ended
    done = rubinprof_command("stats", traces.a[0], traces.b[0], "--from", f"{begin:.9f}", "--to", f"{end:.9f}", "--json")
    assert json.loads(done.stdout)["wall_s"] == pytest.approx(end - begin, abs=1e-6)


def test_what_asks_for_nothing_says_so(traces, rubinprof_command):
    """No rows, and a stretch after the end: neither is a guess, nor an empty answer."""
    path = traces.a[0]
    for words, said in ((("table", path, "-n", "0"), "0 rows"), (("stats", path, "--from", "1000"), "the run ended after"), (("table", path, "--from", "1000"), "the run ended after")):
        done = rubinprof_command(*words)
        assert done.returncode == 2 and said in done.stderr and not done.stdout
    with rubinprof.open(path) as trace:
        for ask in (lambda: trace.table(n=0), lambda: trace.leaks(n=0), lambda: trace.table(from_s=1000.0)):
            with pytest.raises(ValueError, match="no rows|the run ended"):
                ask()
        second = trace.regions()[1]["start_s"]
        assert trace.stats(to_s=second)["calls"] == sum(row["calls"] or 0 for row in trace.table(to_s=second)) < trace.stats()["calls"]
        assert {row["line"] for row in trace.leaks() if row["function"] == "keep"} and any(row["function"] == "pass_by" for row in trace.temporary())
        assert trace.lines(region="visit") and len(trace.regions(to_s=trace.regions()[1]["start_s"])) == 1
    assert {"Tracker", "open", "region", "Trace"} <= set(dir(rubinprof)) and "after_exec" not in dir(rubinprof)
