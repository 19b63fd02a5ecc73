"""Markers, and the reasons for which a test may be skipped.

Under `make check` (RUBINPROF_TESTS_MUST_RUN=1) a missing browser or middleware is an error: there they were installed.
"""

import functools
import importlib.util
import os
import shutil
import sys

import pytest

MARKERS = {
    "linux": "captures, hence needs Linux",
    "slow": "takes more than ten seconds; left out when RUBINPROF_FAST=1",
    "lsst": "runs the Rubin middleware",
    "browser": "drives a headless Chromium",
    "go": "runs go tool pprof",
    "npm": "runs programs that are fetched from npm",
    "valgrind": "runs callgrind_annotate",
    "flamegraph": "runs flamegraph.pl",
    "tmux": "types into a terminal",
}
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
PROGRAMS = {"go": "go", "npm": "npm", "valgrind": "callgrind_annotate", "tmux": "tmux"}
FLAMEGRAPH = "/usr/share/perl5/Devel/NYTProf/flamegraph.pl"


# Tests ask anew, and look at what lies beside a trace; tests/views/test_index.py says when it wants an index.
os.environ.setdefault("RUBINPROF_INDEX", "off")
# Nor may a name come from an earlier run; tests/integration/test_name_cache.py has a cache of its own.
os.environ.setdefault("RUBINPROF_NAME_CACHE", "off")


def pytest_configure(config):
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


@functools.cache
def reason_to_skip(marker):
    """Why tests with this marker cannot run here, or None."""
    if marker == "linux" and sys.platform != "linux":
        return "capture works on Linux only"
    if marker == "slow" and os.environ.get("RUBINPROF_FAST") == "1":
        return "RUBINPROF_FAST=1 leaves out what is slow"
    if os.environ.get("RUBINPROF_TESTS_MUST_RUN") == "1":
        return None
    if marker == "lsst" and importlib.util.find_spec("lsst") is None:
        return "the Rubin middleware is not installed: pip install -r benchmarks/demo/requirements.txt"
    if marker == "browser" and not any(map(shutil.which, BROWSERS)):
        return "no Chromium on PATH: ci/system_deps.sh --for-tests installs one"
    if marker in PROGRAMS and not shutil.which(PROGRAMS[marker]):
        return f"no {PROGRAMS[marker]} on PATH: ci/system_deps.sh --for-tests installs it"
    if marker == "flamegraph" and not (shutil.which("flamegraph.pl") or os.path.exists(FLAMEGRAPH)):
        return "no flamegraph.pl: ci/system_deps.sh --for-tests installs it"
    return None


def pytest_collection_modifyitems(items):
    for item in items:
        for marker in item.iter_markers():
            if marker.name in MARKERS and (reason := reason_to_skip(marker.name)):
                item.add_marker(pytest.mark.skip(reason=reason))
                break


@pytest.fixture(scope="session")
def playwright():
    """The driver of browsers. One for a process: its synchronous interface can be started once only."""
    # A missing playwright is an error here: without a browser these tests are skipped already.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def load_module():
    """Given the path of a module beside the tests, that module: tests are imported by path, so a plain import would not find it."""

    def load(path):
        name = f"rubinprof_tests_{path.stem}"
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, path)
            sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
        return sys.modules[name]

    return load
