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
