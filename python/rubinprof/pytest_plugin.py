"""pytest: ``--rubinprof`` traces each test, holds it against its limits, and names the heaviest.

Nothing of this runs, and nothing more of rubinprof is loaded, without one of the options.

Markers, which count with ``--rubinprof`` or ``--rubinprof-limits``:

``@pytest.mark.limit_memory("64 MB")``
    The most that the test may hold at once.
``@pytest.mark.limit_cpu("2 s")``
    CPU time of all threads, without what the tracing cost.
``@pytest.mark.limit_leaks("1 MB")``
    What the test may leave behind, after a garbage collection.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import gc
import hashlib
import os
import re
import shutil
import tempfile
from typing import Any, NamedTuple

import pytest

MARKERS = {
    "limit_memory(amount)": "the most that the test may hold at once, as '64 MB'; counts with --rubinprof",
    "limit_cpu(amount)": "CPU time of the test, as '2 s'; counts with --rubinprof",
    "limit_leaks(amount)": "memory that the test may leave behind, as '1 MB'; counts with --rubinprof",
}
PROPERTY = "rubinprof"  # of a report: crosses from the workers of pytest-xdist
NAME_BYTES_MAX = 120
NODEID_SHOWN = 160
PLACES_SHOWN = 5
SORTS = ["peak", "cpu", "wall", "allocated", "leaked"]


class Limit(NamedTuple):
    """What a marker sets a bound to: the metric, and how it is said when the bound is broken."""

    metric: str
    unit: str
    sentence: str


LIMITS = {
    "limit_memory": Limit("peak", "bytes", "held {found} at its peak"),
    "limit_cpu": Limit("cpu", "s", "took {found} of CPU time"),
    "limit_leaks": Limit("leaked", "bytes", "left {found} behind"),
}


def pytest_addoption(parser):
    group = parser.getgroup("rubinprof", "CPU time and memory of tests (rubinprof)")
    group.addoption("--rubinprof", action="store_true", help="trace each test, check its limits, name the heaviest tests")
    group.addoption("--rubinprof-limits", action="store_true", help="trace only the tests that have a limit_… marker")
    group.addoption("--rubinprof-dir", metavar="DIR", help="keep the traces there, one a test")
    group.addoption("--rubinprof-native", action="store_true", help="record the C and C++ functions below Python too")
    group.addoption("--rubinprof-top", type=int, default=5, metavar="N", help="heaviest tests to name (default: 5)")
    group.addoption("--rubinprof-sort", choices=SORTS, default="peak", help="what makes a test heavy (default: peak)")


def pytest_configure(config):
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    if config.option.rubinprof or config.option.rubinprof_limits:
        config.pluginmanager.register(Tracing(config), "rubinprof-tracing")


class _AtLoad:
    """Functions as they were when this was loaded: tests put fakes in their place. (In a class: pyfakefs changes what modules hold.)"""

    collect = staticmethod(gc.collect)
    unlink = staticmethod(os.unlink)


@dataclasses.dataclass
class _Measurement:
    """What is known of a test that runs traced, from its start until after its teardown."""

    nodeid: str
    path: str
    limits: dict[str, float]
    figures: dict[str, Any] | None = None
    is_judged: bool = False  # held against its limits; a test that fails by itself need not be


_MEASUREMENT = pytest.StashKey[_Measurement]()


class Tracing:
    """The hooks of a session in which tests are traced.

    A test may fake whatever Python has: files, clocks, the garbage collector. So all that is needed is loaded and bound here, before the first
    test; the trace is read after the teardown. Limits alone are looked at before, since a test that breaks one fails, not its teardown; where
    that does not succeed, it is done again after the teardown.
    """

    def __init__(self, config):
        from rubinprof import metrics, region, trace, tracker

        if tracker._capture is None:
            raise pytest.UsageError(f"--rubinprof: {tracker._sentence_without_capture()}")
        self.config = config
        self.is_worker = hasattr(config, "workerinput")
        self.directory = self._make_directory()
        self.found: list[tuple[str, dict[str, Any]]] = []
        self._capture, self._region, self._open_trace = tracker._capture, region, trace.open
        self._metrics = metrics
        self._tracker = tracker.Tracker(native=config.option.rubinprof_native, program="pytest")._ask_now()

    def _make_directory(self):
        if self.config.option.rubinprof_dir:
            path = os.path.abspath(self.config.option.rubinprof_dir)
            os.makedirs(path, exist_ok=True)
            return path
        return tempfile.mkdtemp(prefix="rubinprof-pytest-")

    def pytest_unconfigure(self):
        if not self.config.option.rubinprof_dir:
            shutil.rmtree(self.directory, ignore_errors=True)

    # ---- while the test's world stands ----

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item):
        limits = _limits_of(item, self._metrics.parse_quantity)
        if not limits and not self.config.option.rubinprof:
            return (yield)
        measurement = _Measurement(item.nodeid, f"{self.directory}/{_file_name(item.nodeid)}", limits)
        try:
            tracker = self._start(measurement.path)
        except Exception as error:
            self._note(item, {"not_traced": str(error)})
            if limits:
                pytest.fail(_unmeasured(limits, error), pytrace=False)
            return (yield)
        item.stash[_MEASUREMENT] = measurement
        try:
            with self._region("test", nodeid=item.nodeid):  # the collection below is not the test's time
                result = yield
        finally:
            self._stop(tracker)
        if limits and (broken := self._judge(measurement)):
            pytest.fail(broken, pytrace=False)
        return result

    def _start(self, path):
        if self._capture.active():
            raise RuntimeError("this process is being traced already")
        with contextlib.suppress(FileNotFoundError):  # a test that is run again
            _AtLoad.unlink(path)
        tracker = copy.copy(self._tracker)
        _AtLoad.collect()  # what is garbage already is not this test's
        tracker._start_at(path)
        return tracker

    def _stop(self, tracker):
        """Whatever is raised, nothing is traced afterwards: the next test would not be."""
        try:
            _AtLoad.collect()
        finally:
            try:
                tracker.stop()
            finally:
                if self._capture.active():
                    self._capture.stop()

    def _judge(self, measurement):
        """What is wrong with the figures; nothing yet where they cannot be read in the test's world."""
        try:
            broken = self._broken_limits(measurement)
        except Exception:
            return ""
        measurement.is_judged = True
        return broken

    # ---- afterwards ----

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item):
        try:
            return (yield)
        finally:
            if measurement := item.stash.get(_MEASUREMENT, None):
                del item.stash[_MEASUREMENT]
                self._look_at(item, measurement)

    def _look_at(self, item, measurement):
        broken = ""
        try:
            self._read(measurement)
            if not measurement.is_judged:
                broken = self._broken_limits(measurement)
            self._note(item, measurement.figures)
        except Exception as error:
            self._note(item, {"not_traced": str(error)})
            broken = _unmeasured(measurement.limits, error) if measurement.limits else ""
        if not self.config.option.rubinprof_dir:
            with contextlib.suppress(OSError):  # the directory goes at the end
                _AtLoad.unlink(measurement.path)
        if broken:
            pytest.fail(broken, pytrace=False)

    def _note(self, item, found):
        item.user_properties[:] = [p for p in item.user_properties if p[0] != PROPERTY]  # of a test that is run again
        item.user_properties.append((PROPERTY, found))

    def _read(self, measurement):
        if measurement.figures is None:
            with self._open_trace(measurement.path) as trace:
                measurement.figures = _figures(trace)

    def _broken_limits(self, measurement):
        self._read(measurement)
        figures = measurement.figures
        broken = []
        for name, bound in measurement.limits.items():
            if reason := _why_unknown(figures, LIMITS[name].metric, bound):
                broken.append(_unmeasured([name], reason))
            elif figures[LIMITS[name].metric] > bound:
                with self._open_trace(measurement.path) as trace:
                    broken.append(_sentence(trace, self._metrics, name, figures[LIMITS[name].metric], bound))
        return "\n".join(broken)

    def pytest_runtest_logreport(self, report):
        if report.when == "teardown" and not self.is_worker:
            self.found += [(report.nodeid, value) for name, value in report.user_properties if name == PROPERTY]

    def pytest_terminal_summary(self, terminalreporter):
        if self.is_worker or not self.found:
            return
        write, text_of = terminalreporter.write_line, self._metrics.text_of
        option = self.config.option
        measured = [(nodeid, figures) for nodeid, figures in self.found if "not_traced" not in figures]
        measured.sort(key=lambda test: -(test[1][option.rubinprof_sort] or 0))
        terminalreporter.section(f"rubinprof: heaviest tests by {option.rubinprof_sort}")
        write(f"{'peak':>10} {'leaked':>10} {'allocated':>10} {'cpu':>9} {'wall':>9}  test")
        for nodeid, figures in measured[: max(0, option.rubinprof_top)]:
            sizes = " ".join(f"{_cell(text_of, figures[key], 'bytes'):>10}" for key in ("peak", "leaked", "allocated"))
            times = " ".join(f"{_cell(text_of, figures[key], 's'):>9}" for key in ("cpu", "wall"))
            write(f"{sizes} {times}  {_shortened(nodeid)}" + ("  (events lost)" if figures["lost"] else ""))
        if missing := [(nodeid, figures["not_traced"]) for nodeid, figures in self.found if "not_traced" in figures]:
            nodeid, reason = missing[0]
            write(f"not traced: {len(missing)}, the first {_shortened(nodeid)}: {reason}")
        if option.rubinprof_dir:
            write(f"{len(measured)} traces in {option.rubinprof_dir}; rubinprof report TRACE shows one")


def _figures(trace):
    stats = trace.stats()
    rows = [row for row in trace.regions() if row["parent"] is None and row["name"] == "test" and "nodeid" in row["labels"]]
    test = min(rows, key=lambda row: row["start_s"])  # the first: others of this name are the program's own
    return {
        "peak": test["peak_bytes"],
        "cpu": test["process_cpu_s"],
        "wall": test["wall_s"],
        "allocated": stats["allocated_bytes"],
        "leaked": stats["leaked_bytes"],
        "lost": stats["lost_events"],
        "complete": stats["complete"],
    }


def _why_unknown(figures, metric, bound):
    """Why a figure says nothing about its bound; empty where it does."""
    if figures[metric] is None:
        return "the trace does not have it"
    if figures[metric] > bound:
        return ""
    if not figures["complete"]:
        return "the trace ends before the test"
    if figures["lost"] and metric != "cpu":
        return f"{figures['lost']:,} events were lost"
    return ""


def _unmeasured(limits, reason):
    return f"{', '.join(limits)} could not be measured: {reason}"


def _cell(text_of, figure, unit):
    return "?" if figure is None else text_of(figure, unit)


def _shortened(nodeid):
    return nodeid if len(nodeid) <= NODEID_SHOWN else f"{nodeid[: NODEID_SHOWN - 40]}…{nodeid[-39:]}"


def _limits_of(item, parse_quantity) -> dict[str, float]:
    """Bounds by marker; the marker nearest to the test counts."""
    bounds = {}
    for name, limit in LIMITS.items():
        marker = item.get_closest_marker(name)
        if marker is None:
            continue
        if len(marker.args) != 1 or marker.kwargs:
            raise pytest.UsageError(f"{item.nodeid}: {name} takes one amount, as @pytest.mark.{name}('1 {_example(limit)}')")
        amount = marker.args[0]
        try:
            bounds[name] = float(amount) if isinstance(amount, int | float) else parse_quantity(amount, limit.unit)
        except ValueError as error:
            raise pytest.UsageError(f"{item.nodeid}: {name}: {error}") from None
    return bounds


def _example(limit):
    return "s" if limit.unit == "s" else "MB"


def _sentence(trace, metrics, name, found, bound):
    """What is wrong, and the places that make it so."""
    text_of = metrics.text_of
    limit = LIMITS[name]
    metric = metrics.METRICS[limit.metric]
    lines = [f"{limit.sentence.format(found=text_of(found, limit.unit))}; {name} allows {text_of(bound, limit.unit)}:"]
    rows = [row for row in trace.table("line", limit.metric) if row["kind"] == "python" and row[metric.own]]
    for row in rows[:PLACES_SHOWN]:
        line = " [line unknown]" if row["line"] is None else f":{row['line']}"
        where = row["file"] + line if row["file"] else row["module"]
        lines.append(f"  {text_of(row[metric.own], limit.unit):>10}  {row['function']}  {where}")
    return "\n".join(lines)


def _file_name(nodeid):
    """A name that is safe in any directory, and the test's own: changed and long ones end in a part of their hash."""
    name = re.sub(r"[^\w.=-]+", "-", nodeid).strip("-")
    short = name.encode()[:NAME_BYTES_MAX].decode(errors="ignore")
    if short != nodeid:
        short += "-" + hashlib.sha256(nodeid.encode(errors="surrogatepass")).hexdigest()[:8]
    return short + ".rprof"
