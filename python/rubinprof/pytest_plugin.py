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

import gc
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
NAME_MAX = 120
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


class Tracing:
    """The hooks of a session in which tests are traced."""

    def __init__(self, config):
        from rubinprof import tracker

        if tracker._capture is None:
            raise pytest.UsageError(f"--rubinprof: {tracker._sentence_without_capture()}")
        self.config = config
        self.is_worker = hasattr(config, "workerinput")
        self.directory = self._make_directory()
        self.found: list[tuple[str, dict[str, Any]]] = []

    def _make_directory(self):
        if self.config.option.rubinprof_dir:
            path = os.path.abspath(self.config.option.rubinprof_dir)
            os.makedirs(path, exist_ok=True)
            return path
        return tempfile.mkdtemp(prefix="rubinprof-pytest-")

    def pytest_unconfigure(self):
        if not self.config.option.rubinprof_dir:
            shutil.rmtree(self.directory, ignore_errors=True)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item):
        limits = _limits_of(item)
        if not limits and not self.config.option.rubinprof:
            return (yield)
        from rubinprof import Tracker, is_active, region

        if is_active():  # pytest itself runs traced
            return (yield)
        path = os.path.join(self.directory, _file_name(item.nodeid))
        gc.collect()  # what is garbage already is not this test's
        tracker = Tracker(path, native=self.config.option.rubinprof_native, overwrite=True, program="pytest")
        tracker.start()
        try:
            with region("test", nodeid=item.nodeid):  # the collection below is not the test's time
                result = yield
        finally:
            gc.collect()
            tracker.stop()
        broken = self._look_at(item, path, limits)
        if broken:
            pytest.fail(broken, pytrace=False)
        return result

    def _look_at(self, item, path, limits):
        """Notes the figures of a test; returns what is wrong with them."""
        from rubinprof.trace import open as open_trace

        with open_trace(path) as trace:
            stats = trace.stats()
            test = next(row for row in trace.regions() if row["parent"] is None and row["labels"].get("nodeid") == item.nodeid)
            figures = {
                "peak": test["peak_bytes"],
                "cpu": test["process_cpu_s"],
                "wall": test["wall_s"],
                "allocated": stats["allocated_bytes"],
                "leaked": stats["leaked_bytes"],
                "lost": stats["lost_events"],
            }
            item.user_properties.append((PROPERTY, figures))
            sentences = [
                _sentence(trace, name, figures[LIMITS[name].metric], bound)
                for name, bound in limits.items()
                if figures[LIMITS[name].metric] > bound
            ]
        if not self.config.option.rubinprof_dir:
            os.unlink(path)
        return "\n".join(sentences)

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and not self.is_worker:
            self.found += [(report.nodeid, value) for name, value in report.user_properties if name == PROPERTY]

    def pytest_terminal_summary(self, terminalreporter):
        if self.is_worker or not self.found:
            return
        from rubinprof.metrics import text_of

        option = self.config.option
        heaviest = sorted(self.found, key=lambda test: -test[1][option.rubinprof_sort])[: max(0, option.rubinprof_top)]
        terminalreporter.section(f"rubinprof: heaviest tests by {option.rubinprof_sort}")
        terminalreporter.write_line(f"{'peak':>10} {'leaked':>10} {'allocated':>10} {'cpu':>9} {'wall':>9}  test")
        for nodeid, figures in heaviest:
            sizes = " ".join(f"{text_of(figures[key], 'bytes'):>10}" for key in ("peak", "leaked", "allocated"))
            times = " ".join(f"{text_of(figures[key], 's'):>9}" for key in ("cpu", "wall"))
            terminalreporter.write_line(f"{sizes} {times}  {nodeid}" + ("  (events lost)" if figures["lost"] else ""))
        if option.rubinprof_dir:
            terminalreporter.write_line(f"{len(self.found)} traces in {option.rubinprof_dir}; rubinprof report TRACE shows one")


def _limits_of(item) -> dict[str, float]:
    """Bounds by marker; the marker nearest to the test counts."""
    from rubinprof.metrics import parse_quantity

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


def _sentence(trace, name, found, bound):
    """What is wrong, and the places that make it so."""
    from rubinprof.metrics import METRICS, text_of

    limit = LIMITS[name]
    metric = METRICS[limit.metric]
    lines = [f"{limit.sentence.format(found=text_of(found, limit.unit))}; {name} allows {text_of(bound, limit.unit)}:"]
    rows = [row for row in trace.table("line", limit.metric) if row["kind"] == "python" and row[metric.own]]
    for row in rows[:PLACES_SHOWN]:
        where = f"{row['file']}:{row['line']}" if row["file"] else row["module"]
        lines.append(f"  {text_of(row[metric.own], limit.unit):>10}  {row['function']}  {where}")
    return "\n".join(lines)


def _file_name(nodeid):
    """A name that is safe in any directory, and the test's own: long ones end in a part of their hash."""
    import hashlib

    name = re.sub(r"[^\w.=-]+", "-", nodeid).strip("-")
    if name != nodeid or len(name) > NAME_MAX:
        name = f"{name[:NAME_MAX]}-{hashlib.sha256(nodeid.encode()).hexdigest()[:8]}"
    return name + ".rprof"
