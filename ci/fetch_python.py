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
HERE = "linux-x86_64"
ARTIFACT = "org.bytedeco:cpython:3.14.3-1.5.13:jar:{system}"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rubinprof-tests"
HOME = CACHE / f"cpython-{MINOR}"


class NoPython(Exception):
    """str() is why not, as the end of a sentence."""


def fetch():
    """Fetches it unless it is there; why it could not be had, or `None`."""
    if (HOME / "bin" / f"python{MINOR}").exists():
        return None
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "there is one for Linux on x86-64 alone"
    try:
        unpack(HERE, HOME, _make_usable)
    except NoPython as reason:
        return str(reason)
    return None


def unpack(system, home, prepare=lambda made: None):
    """The CPython of a system, as Maven calls it, in the folder home, which it returns; prepared before it lies there. NoPython."""
    if home.exists():
        return home
    if not shutil.which("mvn"):
        raise NoPython("it comes by Maven, and there is no mvn on PATH")
    home.parent.mkdir(parents=True, exist_ok=True)
    artifact, inside = ARTIFACT.format(system=system), f"org/bytedeco/cpython/{system}"
    with tempfile.TemporaryDirectory(dir=home.parent) as work:
        copy = ["mvn", "-q", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={work}"]
        done = subprocess.run(copy, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        jars = list(Path(work).glob("*.jar"))
        if done.returncode or not jars:
            raise NoPython(f"mvn did not bring {artifact}")
        with zipfile.ZipFile(jars[0]) as jar:
            jar.extractall(work, [name for name in jar.namelist() if name.startswith(f"{inside}/")])
        made = Path(work) / inside
        prepare(made)
        try:
            made.rename(home)
        except OSError:  # somebody else was faster
            if not home.exists():
                raise
    return home


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
