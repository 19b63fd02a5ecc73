"""A headless Chromium, and pages made of synthetic reports."""

import itertools
import shutil
import sys
import time
from pathlib import Path

import pytest

from rubinprof.reports import flamegraph

sys.path.insert(0, str(Path(__file__).parent))  # import-mode=importlib does not, and the tests share page_figures

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE_S = 20
PATIENCE_OF_ACTIONS_MS = 120_000  # a busy machine is no failure; a page that hangs runs into the time limit of the test

STATS = {
    "complete": True,
    "lost_events": 0,
    "lost_bytes": 0,
    "command": "pipetask run -p demo.yaml",
    "python": "3.13.0",
    "host": "sdfrome012",
    "processes": 1,
    "threads": 2,
    "wall_s": 2.5,
    "cpu_s": 1.0,
    "calls": 10,
    "allocations": 5,
    "allocated_bytes": 4 << 20,
    "peak_bytes": 2 << 20,
    "leaked_bytes": 1 << 19,
    "overhead_s": 0.1,
}
ROWS = [{"function": "heavy", "file": "a.py", "line": 3, "self_cpu_s": 1.25, "total_cpu_s": 3.0, "allocated_bytes": 7}]


@pytest.fixture(scope="session")
def synthetic(load_module):
    """The module that makes up reports."""
    return load_module(Path(__file__).with_name("synthetic.py"))


@pytest.fixture(scope="session")
def browser(playwright):
    path = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])))
    browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
    yield browser
    browser.close()


class Tab:
    """A page of ours, opened from disk, with everything it asked for and complained about."""

    def __init__(self, context, path):
        self.path, self.requests, self.problems = path, [], []
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_OF_ACTIONS_MS)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)

    def open(self, fragment=""):
        self.page.goto("about:blank")
        self.page.goto(self.path.as_uri() + fragment)
        self.wait_until("Boolean(p)")
        return self

    def wait_until(self, expression, arg=None):
        # Not page.wait_for_function: it evaluates text inside the page, which the page's own policy forbids.
        until = time.monotonic() + PATIENCE_S
        while not self.evaluate(expression, arg):
            assert time.monotonic() < until, f"{expression} stays false; {self.problems}"
            self.page.wait_for_timeout(10)

    def evaluate(self, expression, arg=None):
        """Value of an expression; `p` is the page's object, `arg` the argument."""
        return self.page.evaluate(f"(arg) => {{ const p = window.rubinprof; return {expression}; }}", arg)

    def boxes(self):
        """The boxes that are laid out: name, depth, value and own value."""
        return self.evaluate(
            "Array.from({length: p.layout.count}, (_, i) => ({i, parent: p.layout.parent[i], "
            "name: p.frames.fullName(p.layout.frame[i]), frame: p.layout.frame[i], depth: p.layout.depth[i], "
            "value: p.layout.w[i], self: p.layout.self[i]}))"
        )

    def box_of(self, name, nth=0):
        """Where the nth box of that name lies in the window."""
        index = [box["i"] for box in self.boxes() if box["name"].startswith(name)][nth]
        return self.evaluate(
            "(() => { const b = p.view.boxOf(arg); if (!b) return null; const r = p.view.canvas.getBoundingClientRect(); "
            "return {x: b.x + r.x, y: b.y + r.y, width: b.width, height: b.height}; })()",
            index,
        )

    def click(self, name, nth=0):
        box = self.box_of(name, nth)
        self.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def pixel(self, name, nth=0):
        """Colour of a box at its right end, as '#rrggbb': no label reaches there."""
        box = self.box_of(name, nth)
        return self.evaluate(
            "(() => { const r = p.view.canvas.getBoundingClientRect(), k = devicePixelRatio; "
            "const d = p.view.context.getImageData(Math.round((arg.x - r.x + arg.width - 5) * k), "
            "Math.round((arg.y - r.y + 9) * k), 1, 1).data; "
            "return '#' + [...d.slice(0, 3)].map((v) => v.toString(16).padStart(2, '0')).join(''); })()",
            box,
        )

    def search(self, text):
        self.page.fill("#rp-search", text)
        self.wait_until("p.built.query === arg", text)
        return self.page.text_content("#rp-share")

    def colour(self, name):
        return self.page.evaluate("(name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()", name)


@pytest.fixture
def open_path(browser):
    """Opens a page from disk; asserts at the end that the page had no complaint."""
    contexts, tabs = [], []

    def open_it(path, fragment="", context=None):
        contexts.append(browser.new_context(viewport={"width": 1400, "height": 900}, **(context or {})))
        tabs.append(Tab(contexts[-1], path))
        return tabs[-1].open(fragment)

    yield open_it
    problems = [problem for tab in tabs for problem in tab.problems]
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def open_page(open_path, tmp_path):
    """Writes the page of a FlameBuilder and opens it."""
    numbers = itertools.count()

    def open_it(builder, *, fragment="", stats=STATS, rows=ROWS, context=None, **render_options):
        path = tmp_path / f"page{next(numbers)}.html"
        path.write_text(flamegraph.render(builder.json(), stats=stats, rows=rows, **render_options), encoding="utf-8")
        return open_path(path, fragment, context)

    return open_it
