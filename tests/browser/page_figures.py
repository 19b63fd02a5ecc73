"""What the page of a report shows, beside what the analyzer says."""

import pytest

import rubinprof


def brush(tab, begin, end):
    """Drags over the strip from one part of the run to another; returns the stretch in seconds."""
    box = tab.page.locator("#rp-strip").bounding_box()
    left, width = tab.evaluate("[p.strip.x(0), p.strip.x(p.timeline.length) - p.strip.x(0)]")
    y = box["y"] + box["height"] / 2
    tab.page.mouse.move(box["x"] + left + width * begin, y)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + left + width * (begin + end) / 2, y, steps=3)
    tab.page.mouse.move(box["x"] + left + width * end, y, steps=3)
    tab.page.mouse.up()
    return tab.evaluate("[p.timeline.at(p.now.from), p.timeline.at(p.now.to)]")


def rows_of(tab, by):
    """What the table part has: (name, line) -> figures."""
    rows = tab.evaluate(
        "(() => { const r = p.rowsBy(arg); return Array.from({length: r.count}, (_, i) => ({"
        "name: p.frames.fullName(r.frame[i]), file: p.frames.text(p.frames.file[r.frame[i]]), module: p.frames.text(p.frames.module[r.frame[i]]),"
        "line: r.line ? r.line[i] : p.frames.line[r.frame[i]], kind: p.frames.kind[r.frame[i]], no_wall: r.isUnknown?.('total', 'wall', i) ?? false,"
        "self_cpu: r.self.cpu[i], total_cpu: r.total.cpu[i], total_wall: r.total.wall[i], calls: r.self.calls[i], allocated: r.own.allocated[i],"
        "allocations: r.own.allocations[i], peak: r.own.peak[i], leaked: r.own.leaked[i], temporary: r.own.temporary[i], gil: r.total.gil_wait[i]})); })()",
        by,
    )
    found = {}
    for row in rows:
        key = (row["name"], row["file"], row["line"]) if row["kind"] == 0 else (row["name"], row["file"], row["module"], row["kind"] == 2)
        if key not in found:
            found[key] = row
    return found


def analyzer_rows(trace_path, by, begin=0.0, end=0.0):
    with rubinprof.open(trace_path) as trace:
        rows = trace._json("table", by=by, n=-1, from_s=begin, to_s=end, full_names=True)["rows"]
    found = {}
    for row in rows:
        key = (row["function"], row["file"], row["line"] or 0) if row["kind"] == "python" else (row["function"], row["file"], row["module"], row["inlined"])
        found.setdefault(key, row)
    return found


def assert_same_figures(shown, expected, *, by_line=False):
    """The page's rows are the analyzer's; times to what rounding and the tool's cost leave open."""
    checked = 0
    for key, row in expected.items():
        if row["function"] in ("[all]", "[outside Python]") or (row["kind"] != "python" and by_line):
            continue
        mine = shown.get(key, dict.fromkeys(["calls", "allocated", "allocations", "peak", "leaked", "temporary"], 0) | {"total_cpu": 0.0, "self_cpu": 0.0})
        for column, figure in [("calls", "calls"), ("allocated", "allocated_bytes"), ("allocations", "allocations"), ("peak", "peak_bytes"),
                               ("leaked", "leaked_bytes"), ("temporary", "temporary_bytes")]:
            assert mine[column] == (row[figure] or 0), (key, column)  # what nobody counted is 0 in the page's columns, and an empty cell
        assert mine["total_cpu"] == pytest.approx(row["total_cpu_s"] * 1e9, rel=0.01, abs=20_000), key
        # A line's own time holds the native code it called; the analyzer's table tells it without.
        assert by_line or mine["self_cpu"] == pytest.approx(row["self_cpu_s"] * 1e9, rel=0.01, abs=20_000), key
        checked += 1
    assert checked > 10
