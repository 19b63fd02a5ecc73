"""The pages of a real trace whose names are markup, scripts and control characters, in a real browser."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.linux]

PROGRAM = Path(__file__).parents[1] / "programs" / "hostile.py"
PAGES = [["flamegraph"], ["flamegraph", "--inverted"], ["report"]]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hostile")
    subprocess.run([sys.executable, PROGRAM], cwd=directory, check=True, capture_output=True)
    return directory


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_no_name_acts(directory, browser, words):
    out = directory / f"{'-'.join(words)}.html"
    command = [sys.executable, "-m", "rubinprof", *words, "hostile.rprof", "-o", str(out)]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    context = browser.new_context()
    page = context.new_page()
    asked, dialogs = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.goto(out.as_uri(), wait_until="load")
    for _ in range(5):  # whatever comes up under the pointer shows its names
        for x in range(50, 1200, 50):
            page.mouse.move(x, 300 + x % 7)
        page.keyboard.press("Tab")
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0
    assert not dialogs
    assert [url for url in asked if not url.startswith(("blob:", "data:", "about:"))] == [out.as_uri()]
    text = page.inner_text("body")
    assert not set(text) & set("\x1b\x07\x00\x9b\u202e\u2066")
    context.close()
