"""Sources of C libraries, from the source packages of the Debian suite that this machine runs.

For builds that cannot use the system's own libraries: another system (cross.py), or a wheel that brings its own (wheels.py).
Nothing of it is committed; build/sources keeps what was fetched.
"""

import shutil
import subprocess
import tarfile
from pathlib import Path

from environment import ROOT

SOURCES = ROOT / "build" / "sources"


class NoSource(Exception):
    """str() is a sentence for people."""


def fetch(package: str) -> Path:
    """The unpacked upstream source of one package; NoSource where apt-get cannot have it."""
    home = SOURCES / package
    if not home.exists():
        archive = _archive(package)
        unpacked = SOURCES / f"{package}.part"
        shutil.rmtree(unpacked, ignore_errors=True)
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
        (inner,) = [p for p in unpacked.iterdir() if p.is_dir()]
        inner.rename(home)
        shutil.rmtree(unpacked)
    return home


def _archive(package):
    """The upstream tar file. apt-get checks it against the signed index of the distribution."""
    SOURCES.mkdir(parents=True, exist_ok=True)
    found = sorted(SOURCES.glob(f"{package}_*.orig.tar.*[!c]"))
    if not found:
        lists = _source_lists()
        apt = ["apt-get", "-q", "-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={lists}"]
        apt += ["-o", f"Dir::State::lists={lists / 'state'}", "-o", "APT::Sandbox::User=root"]
        (lists / "state" / "partial").mkdir(parents=True, exist_ok=True)
        _run([*apt, "update"])
        # apt-get's choice first. A mirror may list a version of the security suite and not hold it: then what the suite began with.
        for wish in (package, *_versions(apt, package)):
            done = _run([*apt, "--download-only", "source", wish])
            if not done.returncode:
                break
            print(f"source   {wish} could not be fetched", flush=True)
        if done.returncode:
            raise NoSource(f"the source of {package} could not be fetched: {done.stderr.strip().splitlines()[-1]}")
        found = sorted(SOURCES.glob(f"{package}_*.orig.tar.*[!c]"))
    return found[-1]


def _versions(apt, package):
    """package=version for each version that the sources list."""
    said = _run(["apt-cache", *apt[1:], "madison", package]).stdout
    return [f"{package}={line.split('|')[1].strip()}" for line in said.splitlines() if line.count("|") == 2]


def _run(command):
    return subprocess.run(command, cwd=SOURCES, capture_output=True, text=True)


def _source_lists():
    """A copy of the system's package sources that asks for source packages; the system's own files are not changed."""
    lists = SOURCES / "apt"
    lists.mkdir(parents=True, exist_ok=True)
    if not shutil.which("apt-get"):
        raise NoSource("apt-get is needed to fetch C sources, and is not here")
    for path in [*Path("/etc/apt/sources.list.d").glob("*"), Path("/etc/apt/sources.list")]:
        if path.suffix == ".sources":
            (lists / path.name).write_text(path.read_text().replace("Types: deb\n", "Types: deb-src\n"))
        elif path.suffix == ".list" and path.exists():
            lines = [line.replace("deb ", "deb-src ", 1) for line in path.read_text().splitlines() if line.startswith("deb ")]
            (lists / path.name).write_text("\n".join(lines) + "\n")
    return lists
