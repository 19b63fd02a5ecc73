"""The page of a campaign: what a person does, and that the figures are those of the store."""

import datetime
import math
import random
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from rubinprof import campaign
from rubinprof.campaign import difference
from rubinprof.campaign.summary import summary
from rubinprof.reports import campaign_diff, campaign_page

pytestmark = [pytest.mark.browser, pytest.mark.linux]

MADE = Path(__file__).parents[1] / "campaign" / "made_store.py"
GIB = 1024**3
PARTS = ["overview", "tasks", "memory", "requests", "inside", "time", "hosts", "losses"]
HOSTILE = "</script><b>x\u202e"


def quanta():
    """A slow host, a task with two modes, huge quanta of a third, one outlier, one failure."""
    chance = random.Random(2)
    begin = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
    for i in range(900):
        task = ["isr", "warp", HOSTILE][i % 3]
        host = f"n{i // 3 % 6}"
        wall = 20 * math.exp(0.1 * chance.gauss(0, 1)) * (4 if task == "warp" and chance.random() < 0.5 else 1) * (1.4 if host == "n4" else 1)
        memory = (8 if task == HOSTILE and i % 10 == 2 else 2) * math.exp(0.05 * chance.gauss(0, 1))
        yield {"task": task, "host": host, "run": "r", "start": begin + datetime.timedelta(minutes=i), "wall_s": wall, "process_cpu_s": 0.8 * wall, "rss_max_bytes": int(memory * GIB),
               "data_id": {"visit": str(i)}, "status": "failed" if i == 30 else "done"}  # fmt: skip
    yield {"task": "isr", "host": "n1", "start": begin, "wall_s": 2000.0, "process_cpu_s": 9.0, "rss_max_bytes": 2 * GIB, "data_id": {"visit": "9999"}}


@pytest.fixture(scope="module")
def store(tmp_path_factory, load_module):
    rows = list(quanta())
    processes = [{"trace": f"{i:032x}", "quanta": 1, "wall_s": row["wall_s"] + 1, "cpu_s": row["process_cpu_s"] + 1, "quanta_cpu_s": row["process_cpu_s"], "overhead_s": 0.01, "complete": True,
                  "mode_cpu": "sampled", "mode_memory": "sampled", "file_bytes": 1000, "lost_events": 0, "python": "3.13.0"} for i, row in enumerate(rows)]  # fmt: skip
    functions = [{"function": HOSTILE, "file": "a.py", "line": 3, "module": "a", "kind": "python", "inlined": False, "self_cpu_ns": 3 * 10**9, "self_cpu_variance": 65 * 10**9},
                 {"function": "draw", "file": "", "line": 0, "module": "libgalsim.so", "kind": "native", "inlined": False, "self_cpu_ns": 10**9}]  # fmt: skip
    return load_module(MADE).make(tmp_path_factory.mktemp("campaign") / "night", rows, processes, functions)


@pytest.fixture(scope="module")
def page_path(store):
    path = store.parent / "campaign.html"
    stages = {"isr": "step1", "warp": "step2", HOSTILE: "step2"}
    size = campaign_page.write(summary(campaign.open(store), stages=stages), path)
    assert size == path.stat().st_size < campaign_page.PAGE_BYTES_MAX
    return path


@pytest.fixture
def tab(page_path, open_path):
    return open_path(page_path)


def rows_of(tab, id):
    rows = tab.page.locator(f"#rp-{id} .grid-row")
    return [[cell.strip() for cell in rows.nth(i).locator("[role=gridcell]").all_inner_texts()] for i in range(rows.count())]


def test_every_part_opens_by_its_number_without_a_complaint(tab):
    for number, part in enumerate(PARTS, 1):
        tab.page.keyboard.press(str(number))
        tab.wait_until("p.part === arg", part)
        assert tab.page.is_visible(f"#rp-part-{part}")
    assert tab.requests == [tab.path.as_uri() + fragment for fragment in [""]] or all(url.startswith(("file:", "about:")) for url in tab.requests)


def test_the_overview_tells_what_stands_out_and_leads_there(tab):
    text = tab.page.inner_text("#rp-findings")
    assert "On n4 quanta take" in text and "The walltime of warp has two modes" in text and "need more than 6 GB" in text and "1 quantum" in text
    tab.page.locator("#rp-findings li", has_text="walltime of warp has two modes").locator("button").click()
    tab.wait_until("p.part === 'tasks' && p.parts.tasks.view === 'modes' && p.task === 'warp'")
    assert tab.page.evaluate("location.hash").startswith("#p=tasks&task=warp&v=modes")


def test_the_stages_add_up(tab, store):
    cells = [row.split("\t") for row in tab.page.inner_text("#rp-stages").split("\n")]
    ((n, over),) = campaign.open(store).sql("SELECT count(*), count(*) FILTER (memory_bytes > 6 * 1024**3) FROM quanta").fetchall()
    assert [row[0].strip() for row in cells[1:]] == ["step1", "step2", "[all]"]
    assert cells[-1][1:3] == [str(n), str(over)] and over > 20


def test_a_task_shows_its_figures_and_its_outliers(tab):
    tab.page.keyboard.press("2")
    tab.page.locator("#rp-task-grid .grid-row", has_text="isr").click()
    tab.wait_until("p.task === 'isr'")
    details = tab.page.inner_text("#rp-task-details")
    assert "301" in details and "failed" in details
    tab.page.locator("#rp-task-details button", has_text="Outliers").click()
    (row,) = [row for row in rows_of(tab, "task-grid") if "visit=9999" in row and row[1] == "wall"]
    assert row[0] == "isr" and row[2] == "33.3 min"
    tab.page.locator("#rp-task-grid .grid-row", has_text="visit=9999").first.click()
    assert "visit=9999" in tab.page.inner_text("#rp-task-details h2 >> nth=0") and "times the median" in tab.page.inner_text("#rp-task-details")


def test_the_address_brings_back_what_was_seen(tab, page_path, open_path):
    tab.page.select_option("#rp-task", "warp")
    tab.page.keyboard.press("6")
    again = open_path(page_path, tab.page.evaluate("location.hash"))
    assert again.evaluate("[p.part, p.task]") == ["time", "warp"]
    again.page.focus("#rp-tab-time")
    again.page.keyboard.press("0")
    again.wait_until("p.task === ''")


def test_hostile_names_are_text(tab):
    tab.page.keyboard.press("5")
    names = [row[0] for row in rows_of(tab, "inside-grid")]
    assert names[0].startswith("</script><b>x") and "\u202e" not in names[0]
    assert tab.page.locator("b", has_text="x").count() == 0
    tab.page.locator("#rp-inside-views button", has_text="Call tree").click()
    assert "no call stacks" in tab.page.inner_text("#rp-flame-none")


def test_call_trees_of_the_campaign_and_of_a_task(store, open_path, tmp_path, synthetic):
    one = synthetic.pipeline().report()
    half = one["nodes"] | {"cpu": [value // 2 for value in one["nodes"]["cpu"]]}
    page = tmp_path / "page.html"
    campaign_page.write(summary(campaign.open(store)), page, {"strings": one["strings"], "frames": one["frames"], "trees": {"": one["nodes"], "isr": half}})
    tab = open_path(page, "#p=inside")
    tab.wait_until("p.view && p.layout.w[0] > 0")
    whole = tab.evaluate("p.layout.w[0]")
    assert "MeasureTask.measure" in [box["name"] for box in tab.boxes()] and "all quanta" in tab.page.inner_text("#rp-inside-note")
    tab.page.select_option("#rp-task", "isr")
    tab.wait_until("p.layout.w[0] === arg / 2", whole)
    tab.page.select_option("#rp-task", "warp")
    tab.wait_until("p.layout.w[0] === arg", whole)
    assert "no call stacks of warp" in tab.page.inner_text("#rp-inside-note")


def test_hosts_that_differ_are_marked(tab):
    tab.page.keyboard.press("7")
    rows = rows_of(tab, "hosts-grid")
    assert rows[0][0] == "n4 *" and len(rows) == 6 and [row[0] for row in rows if "*" in row[0]] == ["n4 *"]


def test_both_themes_and_a_narrow_window(page_path, open_path):
    for scheme in ("light", "dark"):
        tab = open_path(page_path, "#p=tasks&task=isr", {"color_scheme": scheme})
        tab.page.set_viewport_size({"width": 390, "height": 844})
        assert tab.page.evaluate("document.documentElement.dataset.theme") == scheme
        for part in PARTS:
            tab.evaluate("p.open(arg)", part)
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390, part


def test_a_page_that_would_be_too_large_leaves_rows_out(store, tmp_path, monkeypatch):
    document = summary(campaign.open(store))
    whole = campaign_page.render(document)
    document = document | {"outliers": document["outliers"][:1] * 5000}
    for i, row in enumerate(document["outliers"]):
        document["outliers"][i] = row | {"trace": f"{random.Random(i).getrandbits(128):032x}"}
    monkeypatch.setattr(campaign_page, "PAGE_BYTES_MAX", len(whole) + 30_000)
    assert len(whole) < campaign_page.write(document, tmp_path / "page.html") <= len(whole) + 30_000


def test_the_page_of_a_difference(store, open_path, tmp_path, load_module):
    rows = [row | {"wall_s": row["wall_s"] * (1.5 if row["task"] == "isr" else 1), "trace": f"{10_000 + i:032x}"} for i, row in enumerate(quanta())]
    other = load_module(MADE).make(tmp_path / "b", rows + [{"task": "new", "wall_s": 1.0, "trace": "f" * 32}])
    found = difference.difference(campaign.open(store), campaign.open(other))
    found["limits"] = difference.judge(found, [difference.parse_limit("wall of isr > +5 %")])
    campaign_diff.write(found, tmp_path / "diff.html")
    tab = open_path(tmp_path / "diff.html", "", {"color_scheme": "dark"})
    assert "is broken: isr" in tab.page.inner_text("#rp-notices")
    shown = rows_of(tab, "grid")
    assert shown[0][0] == "isr" and shown[0][3].startswith(("+49", "+50")) and shown[-1][0] == "new (new)"
    tab.page.check("#rp-certain")
    assert [row[0] for row in rows_of(tab, "grid")] == ["isr"]
