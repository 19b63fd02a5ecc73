"""How fast a page is in headless Chromium: `python benchmarks/page_speed.py PAGE.html`.

Prints ms from opening to the first paint and to a drawn report, and the median and the worst of zooming, searching and brushing.
Interaction times are of the page's own work: from the event to the end of its handlers, painting commands included.
"""

import json
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROUNDS = 15

ZOOM = """() => { const p = window.rubinprof, wide = []; for (let i = 1; i < p.layout.count && wide.length < 400; i++) if (p.layout.w[i] > p.layout.w[0] / 200) wide.push(i);
const times = []; for (let k = 0; k < ROUNDS; k++) { p.panel.update({path: []}); const i = wide[(k * 37) % wide.length]; const t = performance.now(); p.panel.zoomTo(i);
times.push(performance.now() - t); } p.panel.update({path: []}); return times; }"""
SEARCH = """() => { const p = window.rubinprof, times = []; for (const text of Array.from({length: ROUNDS}, (_, k) => `f${k}|_${k}$`)) { const t = performance.now();
p.panel.searchFor(text); times.push(performance.now() - t); } p.panel.searchFor(""); return times; }"""
BRUSH = """(part) => { const p = window.rubinprof, times = []; p.open(part); for (let k = 0; k < ROUNDS; k++) { const t = performance.now();
p.select(20 * k, 20 * k + 150, true); p.settle(); times.push(performance.now() - t); } p.select(0, p.timeline.bins); return times; }"""


def main(path):
    chromium = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.goto(Path(path).resolve().as_uri() + "#p=tree")
        while not page.evaluate("() => Boolean(window.rubinprof)"):
            page.wait_for_timeout(5)
        ready = page.evaluate("() => performance.now()")
        paint = page.evaluate("() => Object.fromEntries(performance.getEntriesByType('paint').map((e) => [e.name, Math.round(e.startTime)]))")
        figures = {"bytes": Path(path).stat().st_size, "nodes": page.evaluate("() => window.rubinprof.layout.count"), "drawn_ms": round(ready), **paint}
        for name, script, argument in [("zoom", ZOOM, None), ("search", SEARCH, None)] + [
            (f"brush {part}", BRUSH, part) for part in ["overview", "tree", "table", "source", "memory", "regions"]
        ]:
            times = sorted(page.evaluate(script.replace("ROUNDS", str(ROUNDS)), argument))
            figures[name] = [round(times[len(times) // 2], 1), round(times[-1], 1)]
        browser.close()
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main(sys.argv[1])
