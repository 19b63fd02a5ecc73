"""What the overview says of memory: the leak is what grows with the run, not what is largest."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.linux]

# Third by size and the only leak: the cache. A table that is read once, and what NumPy's import keeps, are wanted.
PROGRAM = """
import time
import numpy as np

table = bytearray(30 << 20)
work = np.ones((400, 400)) @ np.ones((400, 400))

class Cache:
    def __init__(self):
        self.images = {}

    def visit(self, number):
        self.images[number] = bytearray(256 << 10)
        return sorted(range(40_000), reverse=True)

cache = Cache()
names = [str(i) * 20 for i in range(60_000)]
begin = time.thread_time()
for number in range(40):
    cache.visit(number)
    while time.thread_time() < begin + 0.02 * number:
        pass
"""


# Six processes one after another: each makes a table at once, and the sum of all is a staircase. Each is a lane of the flame chart.
PROCESSES = """
import multiprocessing, time

def work(number):
    global table
    table = bytearray(3 << 20)
    SCRATCH
    begin = time.thread_time()
    while time.thread_time() < begin + 0.2:
        pass

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    for number in range(6):
        child = context.Process(target=work, args=(number,))
        child.start()
        child.join()
""".replace("SCRATCH", "; ".join(f"s{i} = [\n bytearray(3 << 20)]" for i in range(8)))  # of so many lines that none is told of for its part of the peak


@pytest.fixture
def page_of(tmp_path, open_path):
    def make(text):
        program, traces, page = (tmp_path / name for name in ("program.py", "traces", "t.html"))
        program.write_text(text)
        for words in (["run", "-q", "-o", f"{traces}/", program], ["report", traces, "-o", page]):
            subprocess.run([sys.executable, "-m", "rubinprof", *words], check=True, capture_output=True, timeout=120)
        return open_path(page)

    return make


@pytest.fixture
def page(page_of):
    return page_of(PROGRAM)


def test_the_leak_is_what_grows(page):
    (leak,) = [text for text in page.page.locator("#rp-findings li span").all_inner_texts() if "never freed" in text]
    assert "program.py:13" in leak and "kept growing" in leak
    assert "10.0 MiB of them" in leak


def test_show_leads_to_the_frames_that_it_speaks_of(page):
    page.page.click("[role=tab]:has-text('Call tree')")
    page.page.fill("#rp-search", "sorted")
    page.page.click("[role=tab]:has-text('Overview')")
    item = page.page.locator("#rp-findings li", has_text="Importing modules")
    if item.count():  # the fastest machine may not name it
        item.locator("button").click()
        assert page.page.input_value("#rp-search") == "^_find_and_load$"
        assert page.page.input_value("#rp-metric") == "cpu"
    page.page.click("[role=tab]:has-text('Overview')")
    page.page.locator("#rp-findings li", has_text="never freed").locator("button").click()
    assert page.evaluate("[p.part, p.parts.memory.view]") == ["memory", "leaked"]
    assert page.page.inner_text("#rp-memory-chosen h2") == "Cache.visit"


def test_processes_in_turn_are_no_growth(page_of):
    page = page_of(PROCESSES)
    (leak,) = [text for text in page.page.locator("#rp-findings li span").all_inner_texts() if "never freed" in text]
    assert "18.0 MiB of them allocated at program.py:6 (work), in 6 processes: in most it did not keep growing" in leak
    lanes = page.evaluate("p.parts.order.slices.lanes.map((lane) => [lane.pid, p.parts.order.slices.x[lane.first]])")
    assert len(lanes) == 7 and [begin for _, begin in lanes] == sorted(begin for _, begin in lanes)
