"""`make axe`: the pages under axe-core, in light and dark, each part. Exits 1 for a serious or critical violation.

axe-core (MPL-2.0) comes from npm into build/, is run and is no part of anything that is handed on. It cannot see a canvas: tests/browser has the
keyboard and what is said of the chosen frame.
"""

import json
import subprocess
import sys
import tarfile

import environment
from environment import ROOT

AXE = "axe-core@4.14.1"
WORK = ROOT / "build" / "axe"
SERIOUS = ("serious", "critical")
PROGRAM = ROOT / "tests" / "views" / "programs" / "work.py"
SCHEMES = ["light", "dark"]


def main():
    if "--inside" in sys.argv:
        return look_at(make_pages())
    environment.system_deps("--for-tests")
    python = ROOT / ".venv" / "bin" / "python"  # of make dev: it has playwright and rubinprof
    return subprocess.run([str(python), __file__, "--inside"], cwd=ROOT).returncode


def fetch_axe():
    WORK.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(["npm", "pack", "--silent", AXE], cwd=WORK, check=True, capture_output=True, text=True).stdout.split()[-1]
    with tarfile.open(WORK / packed) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


def make_pages():
    """Each kind of page, of real traces."""
    traces = []
    for factor in (1, 2):
        trace = WORK / f"{factor}.rprof"
        rubinprof("run", "-f", "-o", trace, "--sample-hz", "997", PROGRAM, factor)
        traces.append(trace)
    pages = [WORK / f"{name}.html" for name in ("report", "flamegraph", "diff")]
    rubinprof("report", traces[1], "-o", pages[0])
    rubinprof("flamegraph", traces[1], "-o", pages[1])
    rubinprof("diff", *traces, "-o", pages[2])
    return pages


def rubinprof(*words):
    WORK.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "rubinprof", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def look_at(pages):
    import shutil

    from playwright.sync_api import sync_playwright

    axe, worst = fetch_axe(), 0
    chromium = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for path in pages:
            for scheme in SCHEMES:
                page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme=scheme)
                page.goto(path.as_uri())
                page.wait_for_function("() => Boolean(window.rubinprof)")
                page.evaluate(axe)
                for part in page.eval_on_selector_all("[role=tab]", "(all) => all.map((e) => e.id)") or [""]:
                    if part:
                        page.click(f"#{part}")
                    worst += tell(path.stem, part.removeprefix("rp-tab-"), scheme, page.evaluate("() => axe.run()"))
                page.close()
        browser.close()
    return 1 if worst else 0


def tell(page, part, scheme, found):
    """Prints what was found; returns how much of it is serious."""
    serious = [v for v in found["violations"] if v["impact"] in SERIOUS]
    print(f"{page} {part} {scheme}: {len(found['passes'])} rules passed, {len(found['violations'])} broken, {len(serious)} of them serious")
    for violation in found["violations"]:
        nodes = [node["html"][:110] for node in violation["nodes"][:3]]
        print(f"  {violation['impact']}: {violation['id']}: {violation['help']} ({len(violation['nodes'])} x)\n    " + "\n    ".join(map(json.dumps, nodes)))
    return len(serious)


if __name__ == "__main__":
    sys.exit(main())
