"""The report of a trace that was really made: what a person does, and that the figures are then the analyzer's own."""

import datetime
import json
import re
import subprocess
import sys

import pytest
from page_figures import analyzer_rows, assert_same_figures, brush, rows_of

import rubinprof
from rubinprof.reports import html_report

pytestmark = [pytest.mark.browser, pytest.mark.linux]

PROGRAM = """
import json, lower, threading, time
import rubinprof

class Task:
    def run(self, n):
        return [self.step(i) for i in range(n)]

    def step(self, i):
        return json.loads(json.dumps({str(k): [k] * 10 for k in range(200)}))

def depth(n):
    return [] if n == 0 else [depth(n - 1)]

def keep():
    return [bytearray(1 << 16) for _ in range(20)]

kept = []
for i in range(8):
    with rubinprof.region("quantum", task="measure", data_id=f"detector={i}"):
        Task().run(12 if i != 5 else 120)
        kept.append(keep())
time.sleep(0.05)
lower.low()
depth(40)
worker = threading.Thread(target=Task().run, args=(40,))
worker.start()
Task().run(20)
worker.join()
del kept[2:]
"""

# What takes long stands far down.
LOW = "# nothing\n" * 400 + """\
def low():
    total = 0
    for i in range(4_000_000):
        total += i * i % 7
    return total
"""

PARTS = ["overview", "tree", "timeline", "order", "table", "source", "memory", "regions"]


def make_page(trace, page, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "rubinprof", "report", str(trace), "-o", str(page), *arguments],
        check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout == f"{page}\n"
    return page


@pytest.fixture(scope="module")
def trace_path(tmp_path_factory):
    directory = tmp_path_factory.mktemp("trace")
    (directory / "program.py").write_text(PROGRAM)
    (directory / "lower.py").write_text(LOW)
    path = directory / "program.rprof"
    command = [sys.executable, "-m", "rubinprof", "run", "-o", str(path), str(directory / "program.py")]
    subprocess.run(command, check=True, timeout=120)
    return path


@pytest.fixture(scope="module")
def page_path(trace_path):
    return make_page(trace_path, trace_path.with_suffix(".html"))


@pytest.fixture
def tab(page_path, open_path):
    return open_path(page_path)


@pytest.mark.parametrize(("begin", "end"), [(0.0, 0.3), (0.25, 0.75), (0.55, 1.0)])
def test_brush_gives_the_table_the_analyzers_own_figures(tab, trace_path, begin, end):
    from_s, to_s = brush(tab, begin, end)
    assert from_s == pytest.approx(begin * tab.evaluate("p.timeline.length"), abs=0.02)
    assert_same_figures(rows_of(tab, "function"), analyzer_rows(trace_path, "function", from_s, to_s))


def test_brush_gives_lines_the_analyzers_own_figures(tab, trace_path):
    from_s, to_s = brush(tab, 0.1, 0.6)
    # Totals of native lines are not known of a stretch; Python's are.
    assert_same_figures(rows_of(tab, "line"), analyzer_rows(trace_path, "line", from_s, to_s), by_line=True)


def test_wall_time_of_lines_is_known_where_the_analyzer_knows_it(tab, trace_path):
    shown = rows_of(tab, "line")
    known = 0
    for key, row in analyzer_rows(trace_path, "line").items():
        if row["kind"] == "python" and key in shown:
            assert shown[key]["no_wall"] == (row["total_wall_s"] is None), key
            assert row["total_wall_s"] is None or shown[key]["total_wall"] == pytest.approx(row["total_wall_s"] * 1e9, rel=0.01, abs=20_000), key
            known += row["total_wall_s"] is not None
    assert known and any(row["no_wall"] for row in shown.values())
    tab.page.keyboard.press("5")
    tab.page.select_option("#rp-table-by", "line")
    tab.page.fill("#rp-table-filter", r"<module>")
    tab.wait_until("[...document.querySelectorAll('#rp-table-grid [data-key=total_wall]')].some((cell) => cell.textContent === '?')")


def test_whole_run_is_the_table(tab, trace_path):
    assert_same_figures(rows_of(tab, "function"), analyzer_rows(trace_path, "function"))


def test_dates_are_iso_in_utc(tab, trace_path):
    begin = datetime.datetime.fromtimestamp(rubinprof.open(trace_path).stats()["start_s"], datetime.UTC)
    assert tab.page.inner_text("#rp-about").startswith(f"{begin:%Y-%m-%d %H:%M} UTC")


def test_all_bins_together_are_the_whole_run(tab):
    for key in ["calls", "allocations", "allocated", "leaked", "temporary", "gil_wait"]:
        all_bins, whole = tab.evaluate("[p.timeline.interval(0, p.timeline.bins).tree.total(arg)[0], p.whole.tree.total(arg)[0]]", key)
        assert all_bins == whole, key
    all_bins, whole = tab.evaluate("[p.timeline.interval(0, p.timeline.bins).tree.total('cpu')[0], p.whole.tree.total('cpu')[0]]")
    assert all_bins == pytest.approx(whole, rel=0.02)


@pytest.fixture
def open_by_hand(trace_path, open_path, tmp_path):
    """Opens a page of two bins whose data are given, for what few runs have."""
    metrics = ["cpu", "wall", "gil_wait", "calls", "allocated", "allocations", "peak", "leaked", "temporary", "samples"]

    def columns(n, **given):
        return {metric: given.get(metric, [0] * n) for metric in metrics}

    def open_page(names, frames, parents, cpu, lines, places, time, weights):
        memory = {"rows": [len(weights), 0], "place": list(weights), "weight": list(weights.values())}
        memory |= {key: [0] * len(weights) for key in ("allocated", "allocations", "temporary", "growth", "peak", "leaked")}
        n = len(lines["frame"])
        page = {
            "strings": names, "frames": {"file": [0] * len(parents), **frames}, "nodes": {"parent": parents, "frame": list(range(len(parents))), **columns(len(parents), cpu=cpu)},
            "lines": {"frame": lines["frame"], "line": lines["line"], "calls_out": [0] * n, "own": columns(n, **lines["own"]), "total": columns(n)}, "functions": None,
            "threads": [{"name": "MainThread", "process": 0, "id": 1, "os_tid": 1, "threads": 1}], "processes": [{"pid": 1, "start_s": 0}],
            "timeline": {"bins": 2, "folded_parts": 0, "begin_s": 0, "length_s": 1, "heap_max": [0, 0], "heap_end": [0, 0], "rss_max": [0, 0], "sizes": {}, "allocators": {},
                         "places": places, "time": {key: [0] * len(time["place"]) for key in ("idle", "gil_wait", "calls")} | time, "memory": memory},
        }  # fmt: skip
        with rubinprof.open(trace_path) as trace:
            carried = {"stats": trace.stats(), "regions": [], "regionColumns": [], "defaults": {"metric": "cpu", "inverted": False}, "sources": []}
        path = tmp_path / "page.html"
        path.write_text(html_report.render(json.dumps(page).encode(), carried, []), encoding="utf-8")
        return open_path(path)

    return open_page


def test_native_code_outside_of_python_has_its_share_in_a_stretch(open_by_hand):
    """A thread's own 100 ns in the first bin, sampled in native code that no Python called."""
    tab = open_by_hand(
        ["", "[all]", "[outside Python]", "work", "lib.so"], {"name": [1, 2, 3], "module": [0, 0, 4], "line": [0, 0, 0], "kind": [0, 0, 1]},
        [-1, 0, 0], [0, 0, 100], {"frame": [], "line": [], "own": {}},
        {"up": [0, 1], "kind": [0, 2], "node": [1, 2], "line": [-1, -1], "call_line": [-1, -1], "native_line": [-1, -1], "thread": [0, -1]},
        {"rows": [1, 0], "place": [0], "cpu": [100]}, {1: 90},
    )  # fmt: skip
    assert tab.evaluate("Array.from(p.timeline.interval(0, 1).tree.self.cpu)") == [0, 0, 100]


def test_time_of_a_stretch_without_a_sample_has_no_line(open_by_hand):
    """A function that is sampled in the first bin alone, on line 12; and one all of whose code is on line 21, never sampled."""
    tab = open_by_hand(
        ["", "[all]", "[outside Python]", "f", "short"], {"name": [1, 2, 3, 4], "module": [0] * 4, "line": [0, 0, 10, 20], "kind": [0] * 4},
        [-1, 0, 0, 0], [0, 0, 1100, 50], {"frame": [2, 2, 2, 3, 3], "line": [10, 12, 0, 20, 21], "own": {"cpu": [0, 1100, 0, 0, 50], "wall": [0, 1100, 0, 0, 50]}},
        {"up": [0, 1, 1, 3], "kind": [0, 1, 2, 1], "node": [1, 2, 2, 3], "line": [-1, -1, 1, -1], "call_line": [-1] * 4, "native_line": [-1] * 4, "thread": [0, -1, -1, -1]},
        {"rows": [1, 2], "place": [1, 1, 2], "cpu": [1000, 100, 50]}, {2: 90},
    )  # fmt: skip
    assert tab.evaluate("Array.from(p.timeline.interval(0, 1).lines.own.cpu)") == [0, 1000, 0, 0, 0]
    assert tab.evaluate("Array.from(p.timeline.interval(1, 2).lines.own.cpu)") == [0, 0, 100, 0, 50]


def test_a_folded_tree_leaves_the_table_exact(trace_path, open_path, tmp_path, monkeypatch):
    monkeypatch.setattr(html_report, "NODES_MAX", 100)  # the chain of depth(40) may take 40 of them
    with rubinprof.open(trace_path) as trace:
        html_report.write(trace, str(tmp_path / "small.html"))
    tab = open_path(tmp_path / "small.html")
    assert tab.evaluate("p.whole.tree.count") < 180 and tab.evaluate("p.timeline.foldedParts") > 0
    shown, expected = rows_of(tab, "function"), analyzer_rows(trace_path, "function")
    names = set(tab.evaluate("p.functions.frame.map((f) => p.frames.fullName(f))"))
    kept = {key: row for key, row in expected.items() if key in shown and row["function"] in names}
    assert_same_figures(shown, kept)
    assert "Task.step" in names and len(names) < len(expected)
    calls = tab.evaluate("p.rowsBy('function').self.calls.reduce((a, b) => a + b, 0)")
    assert calls == sum(row["calls"] or 0 for row in expected.values())
    assert "[smaller frames]" in tab.page.inner_text("#rp-lost-list")


def test_cells_of_the_table_change_with_the_brush(tab):
    tab.page.keyboard.press("5")
    tab.page.fill("#rp-table-filter", r"Task\.step")
    tab.wait_until("document.querySelectorAll('#rp-table-grid .grid-row').length === 1")
    calls = "document.querySelector('#rp-table-grid .grid-row [data-key=self_calls]').textContent"
    before = tab.page.evaluate(calls)
    assert re.sub(r"\D", "", before) == "264"  # 7 x 12, 120, 40 and 20
    from_s, to_s = brush(tab, 0.0, 0.4)
    shown = int(re.sub(r"\D", "", tab.page.evaluate(calls)) or 0)
    assert shown == tab.evaluate(
        "(() => { const r = p.rowsBy('function'); for (let i = 0; i < r.count; i++) if (r.label(i) === 'Task.step') return r.self.calls[i]; })()"
    )
    assert shown < 264
    tab.page.keyboard.press("Escape")


def test_stretch_by_keyboard_and_numbers(tab):
    tab.page.focus("#rp-strip")
    tab.page.keyboard.press("ArrowRight")
    assert tab.evaluate("[p.now.from, p.now.to]") == [0, 128]
    tab.page.keyboard.press("ArrowRight")
    tab.page.keyboard.press("Shift+ArrowRight")
    assert tab.evaluate("[p.now.from, p.now.to]") == [8, 140]
    assert "t=8-140" in tab.page.url
    tab.page.keyboard.press("0")
    assert tab.evaluate("p.isWhole()") and "t=" not in tab.page.url
    length = tab.evaluate("p.timeline.length")
    tab.page.fill("#rp-to", f"{length / 2:.4f}")
    tab.page.keyboard.press("Enter")
    assert tab.evaluate("[p.now.from, p.now.to]") == [0, 256]
    tab.page.click("#rp-everything")
    assert tab.evaluate("p.isWhole()")


def test_parts_by_keyboard_and_link(tab, page_path, open_path):
    for number, part in enumerate(PARTS, 1):
        tab.page.keyboard.press(str(number))
        assert [name for name in PARTS if tab.page.is_visible(f"#rp-part-{name}")] == [part]
    tab.page.focus("#rp-tab-regions")
    tab.page.keyboard.press("ArrowRight")
    assert tab.page.get_attribute("#rp-tab-overview", "aria-selected") == "true"
    again = open_path(page_path, "#p=memory&t=100-200&m=wall")
    assert again.page.is_visible("#rp-part-memory")
    assert again.evaluate("[p.now.from, p.now.to, p.panel.state.metric]") == [100, 200, "wall"]


def test_search_in_the_tree_highlights_the_right_frames(tab):
    tab.page.keyboard.press("2")
    tab.search(r"^Task\.step$")
    matched = tab.evaluate("Array.from(p.view.matched).flatMap((m, f) => (m ? [p.frames.fullName(f)] : []))")
    assert matched == ["Task.step"]
    found = tab.evaluate("p.now.tree.topmost(p.view.matched).reduce((sum, i) => sum + p.now.tree.total('cpu')[i], 0)")
    assert tab.page.text_content("#rp-share").startswith(tab.evaluate("(100 * arg / p.now.tree.total('cpu')[0]).toFixed(1)", found))


def test_brush_recomputes_the_tree(tab):
    tab.page.keyboard.press("2")
    whole = tab.boxes()[0]["value"]
    brush(tab, 0.2, 0.5)
    part = tab.boxes()[0]["value"]
    assert 0 < part < whole
    assert part == tab.evaluate("p.now.tree.total('cpu')[0]")
    assert tab.page.text_content("#rp-metric option:checked").startswith("CPU time")


@pytest.mark.parametrize("group", ["file", "module", "library"])
def test_groups_keep_the_sum(tab, group):
    tab.page.keyboard.press("2")
    whole = tab.boxes()[0]["value"]
    functions = len(tab.boxes())
    tab.page.select_option("#rp-group", group)
    boxes = tab.boxes()
    assert boxes[0]["value"] == whole and len(boxes) < functions
    for box in boxes[1:]:
        assert boxes[box["parent"]]["name"] != box["name"] or boxes[box["parent"]]["frame"] != box["frame"]


def test_folded_recursion(tab):
    tab.page.keyboard.press("2")
    tab.page.select_option("#rp-metric", "calls")
    assert sum(box["name"] == "depth" for box in tab.boxes()) == 41
    tab.page.click("#rp-hide")
    tab.page.check("#rp-fold")
    depth = [box for box in tab.boxes() if box["name"] == "depth"]
    assert [box["value"] for box in depth] == [41]


def test_depth_and_sunburst(tab):
    tab.page.keyboard.press("2")
    tab.page.select_option("#rp-depth", "3")
    assert max(box["depth"] for box in tab.boxes()) == 3
    tab.page.click("#rp-sunburst")
    target = next(box for box in tab.boxes() if box["depth"] == 1)
    box = tab.evaluate(
        "(() => { const b = p.view.boxOf(arg), r = p.view.canvas.getBoundingClientRect(); return {x: b.x + r.x, y: b.y + r.y, width: b.width, height: b.height}; })()",
        target["i"],
    )
    tab.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert tab.evaluate("p.layout.frame[p.view.zoom]") == target["frame"]


def test_sort_filter_and_neighbours(tab):
    tab.page.keyboard.press("5")
    grid = "#rp-table-grid"
    tab.page.click(f"{grid} [data-key=total_cpu] button")
    values = tab.evaluate("Array.from(p.parts.table.grid.order, (i) => p.parts.table.rows.total.cpu[i])")
    assert values == sorted(values, reverse=True)
    tab.page.click(f"{grid} [data-key=total_cpu] button")
    assert tab.page.get_attribute(f"{grid} [data-key=total_cpu]", "aria-sort") == "ascending"
    tab.page.fill("#rp-table-filter", r"^Task\.step")
    assert tab.page.text_content("#rp-table-count") == "1 rows"
    tab.page.click(f"{grid} .grid-row")
    neighbours = tab.page.inner_text("#rp-neighbours")
    assert "Task.run" in neighbours and "loads" in neighbours and "dumps" in neighbours
    tab.page.fill("#rp-table-filter", "")
    tab.page.focus(f"{grid} [role=grid]")
    tab.page.keyboard.press("End")
    active = tab.page.get_attribute(f"{grid} [role=grid]", "aria-activedescendant")
    assert tab.page.is_visible(f"#{active}")
    tab.page.keyboard.press("Enter")
    assert tab.evaluate("p.chosen") >= 0


def test_rows_by_thread_and_region(tab, trace_path):
    with rubinprof.open(trace_path) as trace:
        threads = {row["thread_id"]: row for row in trace.table("thread")}
    shown = tab.evaluate("p.timeline.threads.map((t, i) => ({id: t.id, calls: p.rowsBy('thread').self.calls[i], allocated: p.rowsBy('thread').self.allocated[i]}))")
    assert {row["id"]: (row["calls"], row["allocated"]) for row in shown} == {
        number: (row["calls"], row["allocated_bytes"]) for number, row in threads.items()
    }
    tab.page.keyboard.press("5")
    tab.page.select_option("#rp-table-by", "region")
    assert tab.page.text_content("#rp-table-count") == "8 rows"


def test_regions_select_their_stretch_and_mark_the_slow_one(tab, trace_path):
    with rubinprof.open(trace_path) as trace:
        regions = trace.regions()
    tab.page.keyboard.press("8")
    rows = tab.page.locator("#rp-region-grid .grid-row")
    assert rows.count() == 8
    rows.nth(5).click()
    at, to = tab.evaluate("[p.timeline.at(p.now.from), p.timeline.at(p.now.to)]")
    width = tab.evaluate("p.timeline.at(1)")
    # Edges of bins around it.
    assert at <= regions[5]["start_s"] < at + 2 * width
    assert to - 2 * width < regions[5]["start_s"] + regions[5]["wall_s"] <= to + width / 1000


def test_outliers_and_trend_of_regions(trace_path, open_path, tmp_path):
    """Regions by hand: eleven of about a second, the seventh of five; each later one a little slower."""
    regions = [
        {"index": i, "name": "quantum", "labels": {"task": "isr", "data_id": f"detector={i}"}, "pid": -1, "thread": 1, "start_s": 0.01 * i,
         "wall_s": 5.0 if i == 6 else 1 + 0.01 * i, "cpu_s": 0.5, "process_cpu_s": 0.5, "gil_wait_s": 0, "unfinished": False}
        for i in range(11)
    ]  # fmt: skip
    with rubinprof.open(trace_path) as trace:
        page, stats, columns = trace.report("page"), trace.stats(), trace._json("regions")["columns"]
    carried = {"stats": stats, "regions": regions, "regionColumns": columns, "defaults": {"metric": "cpu", "inverted": False}, "sources": []}
    path = tmp_path / "page.html"
    path.write_text(html_report.render(page, carried, []), encoding="utf-8")
    tab = open_path(path, "#p=regions")
    assert tab.evaluate("p.regions.filter((r) => r.isOutlier).map((r) => r.index)") == [6]
    assert tab.page.locator("#rp-region-grid .grid-row b").all_text_contents() == [" 4.8×"]
    tab.page.select_option("#rp-region-by", "data_id")
    tab.page.fill("#rp-region-filter", "detector=[3-5]")
    assert tab.page.locator("#rp-region-grid .grid-row").count() == 3


def test_source_lines_show_their_figures(tab, trace_path):
    tab.page.keyboard.press("6")
    names = tab.page.eval_on_selector_all("#rp-source-files option", "(all) => all.map((o) => o.title)")
    program = str(trace_path.with_name("program.py"))
    assert program in names
    tab.page.select_option("#rp-source-files", str(names.index(program)))
    line = PROGRAM.splitlines().index("    return [bytearray(1 << 16) for _ in range(20)]") + 1
    tab.evaluate("p.parts.source.scroller.scrollTop = 0")
    tab.wait_until("document.querySelector('.source-row')")
    row = tab.page.locator(".source-row", has_text="return [bytearray(1 << 16)")
    assert str(line) in row.inner_text()
    with rubinprof.open(trace_path) as trace:
        (expected,) = [r for r in trace.lines("program.py") if r["line"] == line]
    assert f"{expected['allocated_bytes'] / 2**20:.1f} MiB" in row.inner_text()
    assert tab.page.locator(".code-word", has_text="import").count() > 0


def test_a_source_file_opens_at_its_heaviest_line(tab):
    tab.page.set_viewport_size({"width": 1400, "height": 500})
    tab.page.keyboard.press("6")
    lower = tab.evaluate("p.sources.findIndex((s) => s.file.endsWith('lower.py'))")
    tab.page.select_option("#rp-source-files", str(lower))
    top = tab.evaluate("p.parts.source.scroller.scrollTop")
    line = tab.evaluate("[...p.parts.source.figures].reduce((best, now) => ((now[1].cpu_own ?? 0) > (best[1].cpu_own ?? 0) ? now : best))[0]")
    assert line > 30  # below the first screen
    row = tab.page.locator(".source-row").filter(has=tab.page.locator(".line-number", has_text=re.compile(f"^{line}$")))
    assert top > 0 and row.bounding_box()["y"] < 480


def test_no_source(trace_path, open_path, tmp_path):
    page = make_page(trace_path, tmp_path / "bare.html", "--no-source")
    tab = open_path(page, "#p=source")
    assert tab.page.is_visible("#rp-source-none")
    assert "bytearray(1 << 16)" not in str(tab.evaluate("p.sources"))


def test_memory_views(tab):
    tab.page.keyboard.press("7")
    first = tab.page.locator("#rp-memory-grid .grid-row").first
    assert "(keep)" in first.inner_text()
    tab.page.click("[data-view=leaked]")
    leaked = tab.page.locator("#rp-memory-grid .grid-row", has_text="(keep)")
    assert "2.50 MiB" in leaked.inner_text()
    # Two of eight were kept: born early, so the bars stand at the left.
    bars = leaked.locator(".spark i").evaluate_all("(all) => all.map((i) => i.getBoundingClientRect().height > 1)")
    assert any(bars[:12]) and not any(bars[16:])
    tab.page.click("[data-view=growth]")
    heap = "p.timeline.heapEnd[p.now.to - 1] - (p.now.from ? p.timeline.heapEnd[p.now.from - 1] : 0)"
    brush(tab, 0.05, 0.5)
    assert tab.evaluate("p.now.tree.total('growth')[0]") == tab.evaluate(heap)
    counted = tab.evaluate("p.timeline.counts(p.timeline.sizes, p.now.from, p.now.to).reduce((s, r) => s + r.count, 0)")
    assert counted == tab.evaluate("p.now.tree.total('allocations')[0]")


def test_findings_have_figures_and_lead_somewhere(tab):
    items = tab.page.locator("#rp-findings li")
    assert 1 <= items.count() <= 3
    for i in range(items.count()):
        assert re.search(r"\d", items.nth(i).inner_text())
    items.first.locator("button").click()
    assert not tab.page.is_visible("#rp-part-overview")


def test_asks_for_nothing_and_prints(tab):
    assert [url for url in tab.requests if not url.startswith(("file:", "data:", "about:", "blob:"))] == []
    tab.page.emulate_media(media="print")
    assert not tab.page.is_visible("#rp-tabs")
    assert tab.page.is_visible("#rp-part-overview")
    assert len(tab.page.pdf()) > 10_000


def test_hostile_names_are_text(trace_path, open_path, tmp_path):
    hostile = "<img src=x onerror='window.hit=1'></script><script>window.hit=2</script>\u202e{{script}}"
    with rubinprof.open(trace_path) as trace:
        page, stats, found = json.loads(trace.report("page")), trace.stats(), trace._json("regions")
    regions = found["rows"]
    names = set(page["frames"]["name"])
    page["strings"] = [f"{hostile}{i}" if i in names and text != "[all]" else text for i, text in enumerate(page["strings"])]
    for region in regions:
        region["name"] = hostile
        region["labels"] = {hostile: hostile}
    for thread in page["threads"]:
        thread["name"] = hostile
    source = {"file": str(trace_path.with_name("program.py")), "text": f"x = '{hostile}'\n# {hostile}\n"}
    carried = {"stats": {**stats, "command": hostile, "host": hostile, "meta": {"version " + hostile: hostile}}, "regions": regions, "regionColumns": found["columns"],
               "defaults": {"metric": "cpu", "inverted": False}, "sources": [source]}  # fmt: skip
    path = tmp_path / "page.html"
    path.write_text(html_report.render(json.dumps(page).encode(), carried, [{"function": hostile, "self_cpu_s": 1.0}]), encoding="utf-8")
    tab = open_path(path)
    for number in range(1, 8):
        tab.page.keyboard.press(str(number))
        assert tab.page.evaluate("() => document.images.length + (window.hit ?? 0)") == 0
    tab.page.keyboard.press("5")
    for by in ["line", "file", "module", "thread", "region", "function"]:
        tab.page.select_option("#rp-table-by", by)
    tab.page.locator("#rp-table-grid .grid-row").first.click()
    assert "onerror" in tab.page.inner_text("#rp-neighbours")  # as text
    assert "\u202e" not in tab.page.inner_text("body")
    assert tab.page.evaluate("() => document.images.length + (window.hit ?? 0)") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_names_and_roles(page_path, open_path, scheme):
    tab = open_path(page_path, context={"color_scheme": scheme})
    for number in range(1, 8):
        tab.page.keyboard.press(str(number))
        nameless = tab.page.evaluate(
            "() => [...document.querySelectorAll('button, select, input, [role=grid], [role=tab], [role=tabpanel], canvas[tabindex]')].filter((e) => e.checkVisibility() && "
            "!(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.title || e.getAttribute('aria-labelledby'))).map((e) => e.outerHTML.slice(0, 90))"
        )
        assert nameless == []
    # Every row of a grid is in a rowgroup, every cell in a row.
    assert tab.page.evaluate("() => document.querySelectorAll('[role=gridcell]:not([role=row] > [role=gridcell])').length") == 0
    ids = tab.page.eval_on_selector_all("[id]", "(all) => all.map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_flame_chart_is_the_order_of_calls(tab, trace_path):
    """Boxes lie where their calls began and ended; what is chosen leads on, and comes back by the browser's Back and by a link."""
    tab.page.keyboard.press("4")
    slices = "p.parts.order.slices"
    lanes = tab.evaluate(f"{slices}.lanes.map((l) => l.name)")
    assert lanes[0] == "MainThread" and len(lanes) == 2
    runs = tab.evaluate(
        f"Array.from({slices}.frame).map((f, i) => [{slices}.frames.fullName(f), {slices}.x[i], {slices}.x[i] + {slices}.w[i], i]).filter(([name]) => name === 'Task.run')"
    )
    with rubinprof.open(trace_path) as trace:
        regions = trace.regions()
    for region, (_, begin, end, _) in zip(regions, runs, strict=False):
        assert region["start_s"] * 1e9 - 1 <= begin < end <= (region["start_s"] + region["wall_s"]) * 1e9 + 1
    tab.page.fill("#rp-order-search", r"^Task\.run$")
    count = re.fullmatch(r"(\d+) matches", tab.page.text_content("#rp-order-share"))
    assert int(count[1]) == len(runs)
    tab.page.keyboard.press("Enter")
    tab.page.keyboard.press("Enter")
    assert tab.page.text_content("#rp-order-share") == f"2 of {len(runs)}"
    assert "Task.run" in tab.page.inner_text("#rp-order-details")
    tab.page.focus("#rp-order")
    tab.page.keyboard.press("Enter")  # zooms to it
    assert tab.evaluate("[p.parts.order.view.from, p.parts.order.view.to]") == pytest.approx(runs[1][1:3])
    box = tab.evaluate("(() => { const b = p.parts.order.view.boxOf(arg), r = document.querySelector('#rp-order').getBoundingClientRect(); return [b.x + r.x + 40, b.y + r.y + 5, b.width]; })()", runs[1][3])
    assert box[2] > 500
    tab.page.mouse.move(*box[:2])
    assert "Task.run" in tab.page.inner_text("#rp-tip")
    link = tab.page.url
    tab.page.click("#rp-order-details button:text('Table')")
    assert tab.page.is_visible("#rp-part-table") and "Task.run" in tab.page.inner_text("#rp-table-grid .active")
    tab.page.go_back()
    tab.wait_until("p.part === 'order'")
    assert tab.evaluate("[p.parts.order.view.from, p.parts.order.view.to]") == pytest.approx(runs[1][1:3], abs=1)
    tab.open("#" + link.split("#")[1])
    assert tab.evaluate("[p.part, p.parts.order.view.from]") == ["order", pytest.approx(runs[1][1], abs=1)]
    tab.page.keyboard.press("Escape")
    assert tab.evaluate("p.parts.order.view.from") == 0


def test_back_and_links_restore_what_was_chosen(tab, page_path, open_path):
    """Filter, order, row, file and view; what is typed is one step back."""
    tab.page.keyboard.press("5")
    tab.page.click("#rp-table-grid [data-key=total_cpu] button")
    tab.page.type("#rp-table-filter", "Task")
    tab.page.locator("#rp-table-grid .grid-row", has_text="Task.step").click()
    chosen = "[p.parts.table.grid.sortBy, document.querySelector('#rp-table-filter').value, p.chosen < 0 ? null : p.frames.fullName(p.chosen)]"
    assert tab.evaluate(chosen) == ["total_cpu", "Task", "Task.step"]
    link = tab.page.url
    for before in (["total_cpu", "Task", None], ["total_cpu", "", None], ["self_cpu", "", None]):
        tab.page.go_back()
        tab.wait_until(f"JSON.stringify({chosen}) === arg", json.dumps(before, separators=(",", ":")))
    tab.page.go_back()
    tab.wait_until("p.part === 'overview'")
    tab.page.go_forward()
    tab.wait_until("p.part === 'table'")
    again = open_path(page_path, "#" + link.split("#")[1])
    assert again.evaluate(chosen) == ["total_cpu", "Task", "Task.step"] and "Task.step" in again.page.inner_text("#rp-table-grid .active")
    names = {"memory": "#rp-memory-chosen", "table": "#rp-neighbours"}
    for part, box in names.items():
        again.page.click(f"#rp-tab-{part}")
        assert again.page.locator(f"{box} button", has_text="Copy name").count() == 1
    again.page.click("#rp-tab-memory")
    again.page.click("[data-view=leaked]")
    again.page.click("#rp-tab-source")
    assert again.page.locator("#rp-source-files optgroup").first.get_attribute("label") == "Your code"
    again.page.locator(".source-row", has_text="json.loads(json.dumps").click()
    assert "Task.step" in again.page.inner_text("#rp-source-marked")
    last = open_path(page_path, "#" + again.page.url.split("#")[1])
    assert last.evaluate("[p.part, p.parts.memory.view, p.parts.source.marked > 1]") == ["source", "leaked", True]


def test_help_widths_narrow_and_paper(tab):
    tab.page.keyboard.press("?")
    words = tab.page.inner_text("#rp-help")
    assert "How to read this page" in words and "Leaked" in words and "flame chart: nearer" in words
    tab.page.keyboard.press("Escape")
    assert not tab.page.is_visible("#rp-help")
    # A head dragged at its end makes its column wider.
    tab.page.keyboard.press("5")
    head = tab.page.locator("#rp-table-grid .grid-head [data-key=name]")
    before = head.bounding_box()
    tab.page.mouse.move(before["x"] + before["width"] - 4, before["y"] + 8)
    tab.page.mouse.down()
    tab.page.mouse.move(before["x"] + before["width"] + 96, before["y"] + 8, steps=2)
    tab.page.mouse.up()
    assert head.bounding_box()["width"] == pytest.approx(before["width"] + 100, abs=2)
    assert tab.page.evaluate("[...document.querySelectorAll('#rp-table-grid .grid-head button')].every((b) => b.scrollWidth <= b.clientWidth)")
    # The heads stay in sight.
    tab.evaluate("(p.parts.table.grid.host.scrollTop = 5000)")
    assert head.bounding_box()["y"] == pytest.approx(before["y"], abs=1)
    # Paper has the rows in sight, on few sheets; the lanes of many threads are on one.
    tab.evaluate("p.timeline.lanes.push(...Array(70).fill(p.timeline.lanes[0]))")
    tab.evaluate("p.chart.arrange()")
    for part in PARTS:
        tab.page.click(f"#rp-tab-{part}")
        assert tab.page.pdf().count(b"/Type /Page\n") <= 2, part
    # Nothing lies over anything else in a narrow window.
    tab.page.emulate_media(media="screen")
    tab.page.set_viewport_size({"width": 390, "height": 800})
    for part in PARTS:
        tab.page.click(f"#rp-tab-{part}")
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390, part
        footer, main = tab.page.locator("footer").bounding_box(), tab.page.locator(f"#rp-part-{part}").bounding_box()
        assert main["y"] + main["height"] <= footer["y"] + 1, part


def test_columns_of_the_source_are_as_wide_in_each_row(tab):
    tab.page.keyboard.press("6")
    doubts = tab.page.locator(".source-row .figure").filter(has_text=re.compile("±|vague"))
    for width in (1400, 390):
        tab.page.set_viewport_size({"width": width, "height": 800})
        tab.wait_until("document.querySelector('.source-row')")
        assert doubts.count() > 0
        ends = tab.page.evaluate("[...document.querySelectorAll('#rp-source-head .line-number, .source-row .line-number')].map((e) => Math.round(e.getBoundingClientRect().right))")
        assert len(ends) > 5 and len(set(ends)) == 1, ends
        assert tab.page.evaluate("[...document.querySelectorAll('.source-row .figure')].every((e) => e.scrollWidth <= e.clientWidth)")
