"""A CPython that `make check` runs on where the machine has none of that version: from a Maven artifact, into a cache outside the tree.

    python ci/fetch_python.py      prints a sentence on what was fetched, or why not; exits with 0 in any case

ci/pythons.sh finds it there: ${XDG_CACHE_HOME:-~/.cache}/rubinprof-tests/cpython-3.14/bin/python3.14.
"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

MINOR = "3.14"
ARTIFACT = "org.bytedeco:cpython:3.14.3-1.5.13:jar:linux-x86_64"
INSIDE = "org/bytedeco/cpython/linux-x86_64"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rubinprof-tests"
HOME = CACHE / f"cpython-{MINOR}"


def fetch():
    """Fetches it unless it is there; why it could not be had, or `None`."""
    if (HOME / "bin" / f"python{MINOR}").exists():
        return None
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "there is one for Linux on x86-64 alone"
    if not shutil.which("mvn"):
        return "it comes by Maven, and there is no mvn on PATH"
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        copy = ["mvn", "-q", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={work}"]
        done = subprocess.run(copy, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        jars = list(Path(work).glob("*.jar"))
        if done.returncode or not jars:
            return f"mvn did not bring {ARTIFACT}"
        with zipfile.ZipFile(jars[0]) as jar:
            jar.extractall(work, [name for name in jar.namelist() if name.startswith(INSIDE)])
        made = Path(work) / INSIDE
        _make_usable(made)
        try:
            made.rename(HOME)
        except OSError:  # somebody else was faster
            if not HOME.exists():
                raise
    return None


def _make_usable(home):
    for program in (home / "bin").iterdir():
        program.chmod(0o755)  # a jar keeps no modes
    # Its flags strip what is linked: extensions without symbols, whose functions have no names in a trace.
    (sysconfigdata,) = (home / "lib" / f"python{MINOR}").glob("_sysconfigdata*.py")
    sysconfigdata.write_text(sysconfigdata.read_text().replace("shared -s -Wl", "shared -Wl").replace("'-s -Wl", "'-Wl"))


def main():
    if reason := fetch():
        print(f"no CPython {MINOR} fetched: {reason}")


if __name__ == "__main__":
    main()
