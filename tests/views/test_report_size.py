"""A page that has no room for everything: the smallest stands with its caller, and every sum stays what it was."""

import json
import random

import pytest

import rubinprof
from rubinprof.cli import main
from rubinprof.reports import html_report
from rubinprof.reports.webpage import Packed

pytestmark = pytest.mark.linux

COLUMNS = {
    "time": ["idle", "cpu", "gil_wait", "calls"],
    "memory": ["weight", "allocated", "allocations", "temporary", "growth", "peak", "leaked"],
}


def sums(page):
    """By column: what each bin holds."""
    found = {}
    for part, names in COLUMNS.items():
        table = page["timeline"][part]
        for name in names:
            found[name], at = [], 0
            for count in table["rows"]:
                found[name].append(sum(table[name][at : at + count]))
                at += count
    return found


@pytest.fixture(scope="module")
def trace(traces):
    with rubinprof.open(traces.b[0]) as opened:
        yield opened


@pytest.fixture(scope="module")
def whole(trace):
    return json.loads(trace.report("page", n=0))


@pytest.mark.parametrize("n", [1, 20, 90])
def test_sums_of_every_bin_stay(trace, whole, n):
    page = json.loads(trace.report("page", n=n))
    rows = [sum(page["timeline"][part]["rows"]) for part in COLUMNS]
    assert rows < [sum(whole["timeline"][part]["rows"]) for part in COLUMNS]
    assert sums(page) == sums(whole)
    assert page["timeline"]["folded_parts"] > 0 and whole["timeline"]["folded_parts"] == 0


def test_places_stand_below_their_callers(trace):
    page = json.loads(trace.report("page", n=20))
    places, nodes, frames = page["timeline"]["places"], page["nodes"], page["frames"]
    folded = 0
    for i, (up, kind, node) in enumerate(zip(places["up"], places["kind"], places["node"], strict=True)):
        assert 0 <= up <= i and 0 <= node < len(nodes["parent"])
        if kind == 3:
            assert page["strings"][frames["name"][nodes["frame"][node]]] == "[smaller frames]"
            folded += 1
    assert folded > 0
    assert sum(nodes["calls"]) == trace.stats()["calls"]


def test_a_page_gives_way_until_it_fits(trace, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    # What a page keeps at least is a part of this, and the trace of a test has few nodes.
    monkeypatch.setattr(html_report, "NODES_MAX", 5000)
    bare = len(html_report.render(b"{}", {"stats": trace.stats()}, []).encode())
    whole = html_report.write(trace, str(path))
    monkeypatch.setattr(html_report, "PAGE_BYTES_MAX", (bare + 3 * whole) // 4)
    size = html_report.write(trace, str(path))
    assert size == path.stat().st_size <= (bare + 3 * whole) // 4


def test_regions_give_way_by_as_much_as_they_must(trace, tmp_path, monkeypatch):
    """Very many are larger than a page by themselves: that leaves room for a part of them, and of all else."""
    path = tmp_path / "page.html"
    of_regions = trace._json("regions")
    chance = random.Random(1)
    rows = [{**of_regions["rows"][0], "index": i, "start_s": chance.random(), "wall_s": chance.random(), "cpu_s": chance.random()} for i in range(4000)]
    ask = rubinprof.Trace._json
    monkeypatch.setattr(rubinprof.Trace, "_json", lambda self, name, **options: {**of_regions, "rows": rows} if name == "regions" else ask(self, name, **options))
    monkeypatch.setattr(html_report, "REGIONS_MAX", len(rows))
    whole = html_report.write(trace, str(path))
    packed = len(Packed.of(json.dumps(rows).encode()))
    most = whole - packed * 2 // 3
    monkeypatch.setattr(html_report, "PAGE_BYTES_MAX", most)
    monkeypatch.setattr(html_report, "NODES_MAX", 5000)
    assert most - packed // 4 < html_report.write(trace, str(path)) <= most


def test_too_long_a_page_is_told(traces, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(html_report, "PAGE_BYTES_MAX", 1000)
    page = tmp_path / "page.html"
    assert main(["report", str(traces.a[0]), "-o", str(page)]) == 0
    done = capsys.readouterr()
    assert done.out == f"{page}\n" and "MB" in done.err and len(done.err.splitlines()) == 1
