"""A command asks several questions of a trace: its events are read once for all of them, once more for a region beside the whole run, and once
more for calls in their order of time."""

import contextlib
import io

import pytest

import rubinprof
from rubinprof.cli import main
from rubinprof.compare.side import Run
from rubinprof.reports import flamegraph, html_report

pytestmark = pytest.mark.linux


class Counting:
    """In place of a trace's handle: the names of reports for which events were read."""

    def __init__(self, handle):
        self._handle, self.read = handle, []

    def __getattr__(self, name):
        return getattr(self._handle, name)

    def report(self, name, *, progress=None, **options):
        told = []
        found = self._handle.report(name, progress=lambda done, all: told.append(done), **options)
        self.read += [name] if told else []
        return found


@pytest.fixture
def counted(traces, monkeypatch):
    """A trace, and what it was read for."""
    with rubinprof.open(traces.a[0], index=False) as trace:
        monkeypatch.setattr(trace, "_handle", Counting(trace._handle))
        yield trace, trace._handle.read


@pytest.mark.parametrize(("region", "read"), [(None, ["flame"]), (0, ["flame", "stats"])])
def test_a_flame_graph(counted, tmp_path, region, read):
    flamegraph.write(counted[0], str(tmp_path / "page.html"), region=region)
    assert counted[1] == read


@pytest.mark.parametrize("shrinks", [False, True])
def test_a_page(counted, tmp_path, monkeypatch, shrinks):
    if shrinks:
        monkeypatch.setattr(html_report, "PAGE_BYTES_MAX", 1000)
    html_report.write(counted[0], str(tmp_path / "page.html"))
    assert counted[1] == ["page", "slices"]


def test_a_page_of_a_region(counted, tmp_path, monkeypatch):
    monkeypatch.setattr(html_report, "PAGE_BYTES_MAX", 1000)
    html_report.write(counted[0], str(tmp_path / "page.html"), region=0)
    assert counted[1] == ["page", "stats"]


@pytest.mark.parametrize("by", [("function",), ("function", "line"), ("line",)], ids="-".join)
def test_a_side_of_a_difference(counted, by):
    Run((), counted[0], by, True, (), None)
    assert len(counted[1]) == 1


def test_figures_of_lines(traces, monkeypatch):
    handles = []
    was = rubinprof.Trace.__enter__

    def entered(trace):
        monkeypatch.setattr(trace, "_handle", Counting(trace._handle))
        handles.append(trace._handle)
        return was(trace)

    monkeypatch.setenv("RUBINPROF_INDEX", "off")
    monkeypatch.setattr(rubinprof.Trace, "__enter__", entered)
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["lines", str(traces.a[0]), "work.py"]) == 0
    assert [handle.read for handle in handles] == [["lines"]]
