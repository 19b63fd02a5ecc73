"""Exports that show which call ran when: slices of Perfetto and evented profiles of speedscope lie inside their regions, in their order."""

import json

import pytest

import rubinprof

pytestmark = pytest.mark.linux


@pytest.fixture(scope="module")
def visits(traces):
    with rubinprof.open(traces.a[0]) as trace:
        return [(row["start_s"], row["start_s"] + row["wall_s"]) for row in trace.regions()]


def exported(rubinprof_command, traces, tmp_path, format, *words):
    out = tmp_path / "out.json"
    done = rubinprof_command("export", traces.a[0], "--format", format, "-o", out, *words)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text())


def assert_in_visits(spans, visits):
    """One span a visit, inside of it."""
    assert len(spans) == len(visits) == 3
    for (begin, end), (opened, closed) in zip(spans, visits, strict=True):
        assert opened - 1e-6 <= begin <= end <= closed + 1e-6


def test_perfetto(rubinprof_command, traces, tmp_path, visits):
    events = [event for event in exported(rubinprof_command, traces, tmp_path, "perfetto")["traceEvents"] if event.get("cat") == "call"]
    events = [event for event in events if event["tid"] == events[0]["tid"]]  # the main thread's
    assert [event["ts"] for event in events] == sorted(event["ts"] for event in events)
    stack, spans = [], []
    for event in events:
        if event["ph"] == "B":
            stack.append(event)
            continue
        begun = stack.pop()
        if begun["name"].startswith("keep"):
            spans.append((begun["ts"] / 1e6, event["ts"] / 1e6))
    assert not stack
    assert_in_visits(spans, visits)


def test_speedscope(rubinprof_command, traces, tmp_path, visits):
    document = exported(rubinprof_command, traces, tmp_path, "speedscope")
    (order,) = [profile for profile in document["profiles"] if profile["name"] == "MainThread, in order of time"]
    assert order["type"] == "evented" and order["unit"] == "nanoseconds"
    names = [frame["name"] for frame in document["shared"]["frames"]]
    stack, spans = [], []
    for event in order["events"]:
        if event["type"] == "O":
            stack.append(event)
            continue
        begun = stack.pop()
        assert begun["frame"] == event["frame"]
        if names[event["frame"]].startswith("keep"):
            spans.append((begun["at"] / 1e9, event["at"] / 1e9))
    assert not stack
    assert_in_visits(spans, visits)


def test_a_stretch_has_its_own_calls(rubinprof_command, traces, tmp_path, visits):
    (begin, end) = visits[1]
    events = exported(rubinprof_command, traces, tmp_path, "perfetto", "--from", f"{begin:.9f}", "--to", f"{end:.9f}")["traceEvents"]
    calls = [event for event in events if event.get("cat") == "call" and event["ph"] == "B"]
    assert sum(event["name"].startswith("keep") for event in calls) == 1
