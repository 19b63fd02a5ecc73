"""Programs of others that read what `rubinprof export` writes, at known versions.

Those from npm are fetched once into build/consumers/, which `make clean` removes.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

BUILD = Path(__file__).resolve().parents[2] / "build" / "consumers"
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
SPEEDSCOPE = ("speedscope", "1.25.0")
FIREFOX_PROFILER = ("@firefox-devtools/profiler-cli", "0.10.0")
FLAMEGRAPH = "/usr/share/perl5/Devel/NYTProf/flamegraph.pl"
PATIENCE_MS = 200_000  # a browser takes over a minute where ten programs want each core


def npm_package(name, version):
    """Directory of a package from npm, fetched when it is not there yet."""
    home = BUILD / f"{name.rsplit('/', 1)[-1]}-{version}"
    package = home / "node_modules" / name
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / ".lock", "w") as lock:  # tests run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (package / "package.json").exists():
            home.mkdir(exist_ok=True)
            (home / "package.json").write_text("{}")
            command = ["npm", "install", "--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional"]
            subprocess.run([*command, f"{name}@{version}"], cwd=home, check=True, capture_output=True, timeout=240)
    return package


def speedscope(playwright, path):
    """Import a file in speedscope, and return what it holds then: the document that its own "save" writes."""
    page_file = npm_package(*SPEEDSCOPE) / "dist" / "release" / "index.html"
    program = next(filter(None, map(shutil.which, BROWSERS)))
    complaints = []
    flags = ["--no-sandbox", "--enable-unsafe-swiftshader"]
    browser = playwright.chromium.launch(executable_path=program, args=flags, timeout=PATIENCE_MS)
    page = browser.new_page(accept_downloads=True)
    page.set_default_timeout(PATIENCE_MS)
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("warning", "error") else None)
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    page.goto(page_file.as_uri())
    page.wait_for_selector("input[type=file]", state="attached")
    page.set_input_files("input[type=file]", str(path))
    page.wait_for_function("document.title.includes(' - speedscope')")
    with page.expect_download() as download:
        page.keyboard.press("Control+s")
    document = json.loads(Path(download.value.path()).read_text())
    browser.close()
    about_the_file = [text for text in complaints if "GL" not in text]
    return document, about_the_file


def pprof(path, home, *words):
    """What `go tool pprof` prints of a file."""
    environment = {"PATH": "/usr/local/go/bin:/usr/bin:/bin", "HOME": str(home), "PPROF_TMPDIR": str(home)}
    environment["GOFLAGS"], environment["GOCACHE"] = "-mod=mod", str(Path.home() / ".cache" / "go-build")
    command = ["go", "tool", "pprof", *words, str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, env=environment).stdout


def pprof_top(path, home, metric):
    """Own figures of all functions, by the name that pprof shows."""
    text = pprof(path, home, "-top", "-nodecount=10000", "-nodefraction=0", "-unit=count", f"-sample_index={metric}")
    return {line.split(None, 5)[5]: line.split()[0] for line in text.splitlines() if re.match(r"\s+[\d.]+", line)}


def flamegraph(path):
    """What flamegraph.pl makes of collapsed stacks."""
    program = shutil.which("flamegraph.pl") or FLAMEGRAPH
    done = subprocess.run(["perl", program, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


class FirefoxProfiler:
    """A session of the Firefox Profiler's command line on one profile."""

    def __init__(self, path, home):
        self._program = npm_package(*FIREFOX_PROFILER) / "dist" / "profiler-cli.js"
        self._environment = {**os.environ, "HOME": str(home)}
        self._load(path)

    def _load(self, path):
        for _ in range(10):  # its daemon is waited for half a second only, as it says itself
            try:
                self.ask("load", path)
                return
            except subprocess.CalledProcessError as error:
                if "retrying often works" not in error.stdout + error.stderr:
                    raise
                self.ask("stop", "--all")
        raise TimeoutError(f"the daemon of {FIREFOX_PROFILER[0]} does not start")

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.ask("stop", "--all")

    def ask(self, *words):
        done = subprocess.run(
            ["node", str(self._program), *map(str, words)],
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout

    def json(self, *words):
        return json.loads(self.ask(*words, "--json"))


def folded(document, name=None):
    """Self figures by stack of names, of a speedscope document's profile of that name (the first without one)."""
    frames = [frame["name"] for frame in document["shared"]["frames"]]
    profile = next(p for p in document["profiles"] if name is None or p["name"] == name)
    found, stack, last = {}, [], profile["startValue"]
    for event in profile.get("events", []):
        if event["at"] > last:
            found[tuple(stack)] = found.get(tuple(stack), 0) + event["at"] - last
            last = event["at"]
        if event["type"] == "O":
            stack.append(frames[event["frame"]])
        else:
            assert stack.pop() == frames[event["frame"]]
    for stack, weight in zip(profile.get("samples", []), profile.get("weights", []), strict=True):
        key = tuple(frames[i] for i in stack)
        found[key] = found.get(key, 0) + weight
    return found
