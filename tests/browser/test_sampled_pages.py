"""The pages of a sampled trace say what nobody has measured, and why."""

import re
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.linux]

PROGRAM = """
import time, rubinprof

def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

with rubinprof.region("all"):
    spin(0.3)
    kept = [bytearray(8 << 20) for _ in range(3)]  # certain to be hit
    small = [bytes(1000 + i) for i in range(4000)]  # by chance
"""


@pytest.fixture(scope="module")
def trace_path(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sampled")
    (directory / "program.py").write_text(PROGRAM)
    path = directory / "s.rprof"
    command = [sys.executable, "-m", "rubinprof", "run", "--cpu", "sampled", "--memory", "sampled", "--sample-hz", "500", "-o", path]
    subprocess.run([*map(str, command), directory / "program.py"], check=True, timeout=120)
    return path


@pytest.fixture(params=["flamegraph", "report", "diff"])
def tab(request, trace_path, open_path, tmp_path):
    page = tmp_path / "s.html"
    traces = [trace_path, trace_path] if request.param == "diff" else [trace_path]
    subprocess.run([sys.executable, "-m", "rubinprof", request.param, *traces, "-o", page], check=True, capture_output=True, timeout=120)
    tab = open_path(page)
    yield tab
    assert not tab.problems


PANEL = "(p.panel ?? p)"


def test_an_unknown_metric_cannot_be_chosen_and_says_why(tab):
    options = dict(tab.evaluate(f"[...{PANEL}.find('metric').options].filter((o) => o.disabled).map((o) => [o.value, o.textContent])"))
    assert set(options) == {"wall", "gil_wait", "calls", "temporary"}
    assert options["calls"].endswith("not counted in sampled mode")
    assert options["wall"].endswith("not measured in sampled mode")


def test_memory_that_was_off_is_not_laid_to_sampled_mode_nor_to_all_processes(tmp_path, open_path):
    (tmp_path / "p.py").write_text("import time\nwhile time.thread_time() < 0.1: pass\nkept = [bytearray(2000) for _ in range(100)]\n")
    (tmp_path / "both").mkdir()
    for name, mode in (("both/a", "exact"), ("both/b", "off"), ("alone", "off")):
        subprocess.run([sys.executable, "-m", "rubinprof", "run", "--memory", mode, "-o", tmp_path / f"{name}.rprof", tmp_path / "p.py"], check=True, timeout=120)
    for trace, is_off in (("both", False), ("alone.rprof", True)):
        subprocess.run([sys.executable, "-m", "rubinprof", "flamegraph", tmp_path / trace, "-o", tmp_path / "m.html"], check=True, capture_output=True, timeout=120)
        tab = open_path(tmp_path / "m.html")
        told = {value: (off, text) for value, off, text in tab.evaluate(f"[...{PANEL}.find('metric').options].map((o) => [o.value, o.disabled, o.textContent])")}
        for metric in ("allocated", "allocations", "peak", "leaked", "temporary"):
            off, text = told[metric]
            assert off == is_off and text.endswith("  ·  not recorded" if is_off else " of 1 of 2 processes"), text
        off, text = told["cpu"]
        assert not off and "processes" not in text


def test_the_details_of_a_box_say_so_too(tab):
    tab.evaluate(f"{PANEL}.showDetails(0)")
    rows = dict(tab.evaluate("[...document.querySelectorAll('#rp-details tr[data-metric]')].map((r) => [r.dataset.metric, r.textContent])"))
    assert rows["calls"] == "Callsnot counted in sampled mode"
    assert "not measured" not in rows["cpu"]


@pytest.mark.parametrize("tab", ["report"], indirect=True)
def test_figures_of_regions_say_so_too(tab):
    tab.evaluate("p.open('regions')")
    cells = dict(tab.evaluate("[...document.querySelector('#rp-region-grid .grid-row').children].map((c) => [c.dataset.key, [c.textContent, c.title]])"))
    assert cells["calls"] == ["?", "not counted in sampled mode"] and cells["gil_wait_s"] == ["?", "not measured in sampled mode"]
    assert "MiB" in cells["peak_bytes"][0] and cells["peak_bytes"][1] == ""
    assert re.search(r"MiB( ±\d+%| ±\?| vague)$", cells["peak_bytes"][0])


@pytest.mark.parametrize("tab", ["flamegraph", "report"], indirect=True)
def test_estimates_say_how_far_off_they_are(tab):
    tab.evaluate(f"{PANEL}.showDetails(0)")
    rows = dict(tab.evaluate("[...document.querySelectorAll('#rp-details tr[data-metric]')].map((r) => [r.dataset.metric, r.textContent])"))
    assert re.search(r"MiB( ±\d+%| vague)", rows["allocated"])


@pytest.mark.parametrize("page", ["flamegraph", "report"])
def test_what_no_sampled_process_ran_has_no_error(page, open_path, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM + "\ndef spin_exact(): spin(0.2)\n\ndef spin_sampled(): spin(0.3)\n\nimport sys\nglobals()['spin_' + sys.argv[1]]()\n")
    (tmp_path / "traces").mkdir()
    for mode in ("exact", "sampled"):
        command = [sys.executable, "-m", "rubinprof", "run", "--cpu", mode, "--memory", mode, "-o", tmp_path / "traces" / f"{mode}.rprof", program, mode]
        subprocess.run(command, check=True, timeout=120)
    subprocess.run([sys.executable, "-m", "rubinprof", page, tmp_path / "traces", "-o", tmp_path / "m.html"], check=True, capture_output=True, timeout=120)
    tab = open_path(tmp_path / "m.html")

    def cpu_of(name):
        tab.evaluate(f"{PANEL}.showDetails({PANEL}.layout.frame.findIndex((f) => {PANEL}.frames.label(f) === '{name}'))")
        return tab.evaluate("document.querySelector('#rp-details tr[data-metric=cpu]').textContent + document.querySelector('#rp-details table + p').textContent")

    assert "±" not in cpu_of("spin_exact")
    assert "±" in cpu_of("spin_sampled")
    if page == "report":
        exact = tab.evaluate("(() => { const rows = p.rowsBy('function'); return Object.fromEntries(Array.from(rows.self.cpu, (_, i) => [rows.label(i), rows.doubt('self', 'cpu', i) === true])); })()")
        assert (exact["spin_exact"], exact["spin_sampled"], exact["spin"]) == (True, False, False)
    assert not tab.problems
