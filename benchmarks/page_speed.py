"""How fast a page is in headless Chromium: `python benchmarks/page_speed.py [PAGE.html]`.

Without a page: that of a synthetic trace of 40 million calls in 2 threads, whose call tree has over 100,000 nodes with CPU time of their own
or below them: each is a box. Prints ms
from opening to the first paint and to a drawn report, and the median and the worst of zooming, searching and brushing. Interaction times are of
the page's own work: from the event to the end of its handlers, painting commands included; "frame" is that and the browser's own work until the
next frame but one has begun (33 ms are two frames without any work). Exits 1 when a median misses its bar.
"""

import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 15
OPENINGS = 5
BARS = {"first paint": 1000, "zoom": 50, "search": 200}

# Every measured step is followed by two frames, so that the browser's own painting counts as well.
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
MEASURE = """async (steps) => { const p = window.rubinprof, own = [], all = []; const frames = FRAMES;
for (const step of steps) { await frames(); const t = performance.now(); step(p); own.push(performance.now() - t); await frames(); all.push(performance.now() - t); }
return [own, all]; }""".replace("FRAMES", FRAMES)
ZOOM = """() => { const p = window.rubinprof, wide = []; for (let i = 1; i < p.layout.count && wide.length < 400; i++) if (p.layout.w[i] > p.layout.w[0] / 200) wide.push(i);
return (MEASURE)(Array.from({length: ROUNDS}, (_, k) => (p) => { if (k % 2) p.panel.update({path: []}); else p.panel.zoomTo(wide[(k * 37) % wide.length]); })); }"""
SEARCH = """() => (MEASURE)(Array.from({length: ROUNDS}, (_, k) => (p) => p.panel.searchFor(`f${k}|_${k}$`)))"""
CLEAR = """() => window.rubinprof.panel.searchFor("")"""
BRUSH = """(part) => { const p = window.rubinprof; p.open(part); return (MEASURE)(Array.from({length: ROUNDS}, (_, k) => (p) => { p.select(20 * k, 20 * k + 150, true); p.settle(); }))
.then((times) => { p.select(0, p.timeline.bins); return times; }); }"""
BOXES = """() => { const l = window.rubinprof.layout; let n = 0; for (let i = 0; i < l.count; i++) n += l.w[i] > 0; return n; }"""


def main(path=None):
    path = path or make_page()
    chromium = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        figures = {"bytes": Path(path).stat().st_size}
        paints, drawn = [], []
        for _ in range(OPENINGS):
            page = browser.new_page(viewport={"width": 1600, "height": 900})
            page.goto(Path(path).resolve().as_uri() + "#p=tree")
            page.wait_for_function("() => Boolean(window.rubinprof)", polling=5)
            drawn.append(page.evaluate("() => performance.now()"))
            page.evaluate(FRAMES)
            paints += page.evaluate("() => performance.getEntriesByName('first-contentful-paint').map((e) => e.startTime)")
        figures["boxes"] = page.evaluate(BOXES)
        figures["first paint"] = middle_and_worst(paints)
        figures["drawn"] = middle_and_worst(drawn)
        for name, script in [("zoom", ZOOM), ("search", SEARCH)]:
            add(figures, name, page.evaluate(script.replace("MEASURE", MEASURE).replace("ROUNDS", str(ROUNDS))))
        page.evaluate(CLEAR)
        for part in ["overview", "tree", "table", "source", "memory", "regions"]:
            add(figures, f"brush {part}", page.evaluate(BRUSH.replace("MEASURE", MEASURE).replace("ROUNDS", str(ROUNDS)), part))
        browser.close()
    for name, value in figures.items():
        print(f"{name:<22} {value if isinstance(value, int) else '  median {:6.1f} ms   worst {:6.1f} ms'.format(*value)}")
    missed = [name for name, bar in BARS.items() if figures[name][0] > bar]
    print(f"bars missed: {', '.join(missed) or 'none'}")
    return 1 if missed else 0


def add(figures, name, times):
    own, frames = times
    figures[name], figures[f"{name}, frame"] = middle_and_worst(own), middle_and_worst(frames)


def middle_and_worst(times):
    return [statistics.median(times), max(times)]


def make_page():
    """The page of a trace whose tree is larger than pages carry."""
    bench = ROOT / "build" / "bench"
    bench.mkdir(parents=True, exist_ok=True)
    maker, trace, page = bench / "make_trace", bench / "page.rprof", bench / "page.html"
    sources = [ROOT / "benchmarks/analyze/make_trace.c", *(ROOT / "csrc/format").glob("*.c"), *(ROOT / "csrc/base").glob("*.c")]
    subprocess.run(["cc", "-O2", "-std=gnu11", "-Icsrc", "-Icsrc/include", "-o", maker, *sources, "-llz4", "-lzstd", "-lm"], cwd=ROOT, check=True)
    subprocess.run([maker, trace, "40e6", "2", "calls", "100000", "108000"], check=True)
    subprocess.run([sys.executable, "-m", "rubinprof", "report", trace, "-o", page], check=True)
    trace.unlink()
    return page


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
