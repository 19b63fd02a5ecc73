"""The page of a difference: signs, sizes and the statement of noise."""

import pytest

import rubinprof
from rubinprof import compare
from rubinprof.reports import diff_page

pytestmark = [pytest.mark.browser, pytest.mark.linux]

PROGRAM = """
class Work:
    def same(self):
        return None

    def grows(self):
        return self.same()

    def gone(self):
        return None

    def new(self):
        return None

w = Work()
for i in range({grows}):
    w.grows()
for i in range({gone}):
    w.gone()
for i in range({new}):
    w.new()
"""


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """Two runs of A and two of B, the calls of which are known."""
    directory = tmp_path_factory.mktemp("sides")
    found = []
    for side, counts in {"a": {"grows": 100, "gone": 7, "new": 0}, "b": {"grows": 150, "gone": 0, "new": 3}}.items():
        runs = []
        for i in range(2):
            path = directory / f"{side}{i}.rprof"
            code = compile(PROGRAM.format(**counts), "/work/program.py", "exec")
            with rubinprof.Tracker(path):
                exec(code, {})
            runs.append(path)
        found.append(runs)
    return found


@pytest.fixture
def tab(sides, open_path, tmp_path):
    a, b = ([run for path in side for run in compare.read_runs(path, want_flame=True)] for side in sides)
    page = tmp_path / "diff.html"
    diff_page.write(compare.diff_flame(a, b), compare.compare_runs(a, b, "function", "calls", None), page)
    return open_path(page)


def note_of(tab, name):
    return tab.evaluate(
        "(() => { for (let i = 0; i < p.layout.count; i++) if (p.frames.fullName(p.layout.frame[i]) === arg) return p.note(i); return null; })()", name
    )


def test_totals_and_noise(tab):
    row = tab.page.locator("#rp-totals tr[data-metric=calls]")
    assert row.locator("td").nth(2).inner_text() == "+96"  # 50 more calls each of grows and same, 7 of gone less, 3 of new more
    assert "sign-more" in row.locator("td").nth(2).get_attribute("class")
    assert "confidence" in tab.page.inner_text("#rp-noise")
    assert "2 runs of A against 2 runs of B" in tab.page.inner_text("#rp-about")


def test_boxes_say_what_changed(tab):
    tab.page.keyboard.press("2")
    tab.page.select_option("#rp-metric", "calls")
    assert note_of(tab, "Work.grows") == "+100 (+50.0 %)"  # with the calls of same below it
    assert note_of(tab, "Work.new") == "+3, in B alone"
    assert note_of(tab, "Work.gone") is None  # as wide as B: nothing is left of it
    tab.page.click("#rp-width-a")
    assert note_of(tab, "Work.gone") == "−7 (−100 %)"
    tints = tab.evaluate(
        "Object.fromEntries(Array.from({length: p.layout.count}, (_, i) => [p.frames.fullName(p.layout.frame[i]), p.tint(p.view, i)]))"
    )
    kinds = tab.evaluate("p.view.colours.kinds")
    assert tints["Work.gone"] == kinds[0]  # blue
    assert tints["Work.grows"] not in (kinds[0], kinds[3])


def test_table_sorts_by_size_of_change(tab):
    tab.page.keyboard.press("3")
    rows = tab.page.locator("#rp-table-grid .grid-row")
    shown = [[cell.strip() for cell in rows.nth(i).locator("[role=gridcell]").all_inner_texts()] for i in range(rows.count())]
    changes = {row[0]: row[4] for row in shown}
    assert {name: changes[name] for name in ["Work.grows", "Work.same", "Work.gone", "Work.new"]} == {
        "Work.grows": "+50", "Work.same": "+50", "Work.gone": "−7", "Work.new": "+3",
    }  # fmt: skip
    sizes = [int(row[4].strip("+−").replace(",", "")) for row in shown]
    assert sizes == sorted(sizes, reverse=True)
    tab.page.fill("#rp-table-filter", r"^Work\.gone")
    assert "1 of" in tab.page.text_content("#rp-table-count")


def test_arrow_keys_move_from_tab_to_tab(tab):
    tab.page.focus("#rp-tab-totals")
    for part in ("tree", "table", "totals"):
        tab.page.keyboard.press("ArrowRight")
        tab.wait_until("p.part === arg && document.activeElement.id === 'rp-tab-' + arg", part)
    tab.page.keyboard.press("ArrowLeft")
    tab.wait_until("p.part === arg", "table")
