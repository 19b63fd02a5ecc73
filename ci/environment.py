"""Virtual environments with rubinprof in them, made once and made again only when their inputs changed.

Used by check.py, demo.py and dev.py. Installs go through uv, which is fetched into .venvs/uv and is
many times faster; where it cannot be had, through pip. RUBINPROF_NO_UV=1 asks for pip.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venvs"
PTHS = sorted((ROOT / "python").glob("*.pth"))

# What an installed rubinprof is made from. Data that changes without these needs no new install.
PRODUCT_INPUTS = ["csrc", "python", "setup.py", "pyproject.toml", "ci/csources.py"]
NOT_INPUTS = {"__pycache__", ".so", ".pyc", ".o"}


class Python:
    """One interpreter found on this machine."""

    def __init__(self, line: str):
        self.minor, self.full, self.path = line.split(" ", 2)


def pythons():
    """The supported interpreters, newest first; exits with the sentence of pythons.sh where there is none."""
    listing = subprocess.run([ROOT / "ci" / "pythons.sh"], stdout=subprocess.PIPE, text=True)
    if listing.returncode:
        sys.exit(listing.returncode)
    return [Python(line) for line in listing.stdout.splitlines()]


def system_deps(*options):
    done = subprocess.run([ROOT / "ci" / "system_deps.sh", *options])
    if done.returncode:
        sys.exit(done.returncode)


@contextlib.contextmanager
def build_lock():
    """One build at a time in this tree: setuptools shares directories between versions."""
    (ROOT / "build").mkdir(exist_ok=True)
    with open(ROOT / "build" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fetch_uv(python: Python):
    """Path of uv, or None when pip has to do."""
    if os.environ.get("RUBINPROF_NO_UV") == "1":
        return None
    home = VENVS / "uv"
    uv = home / "bin" / "uv"
    if not uv.exists():
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        made = subprocess.run([python.path, "-m", "venv", home], **quiet)
        if made.returncode or subprocess.run([home / "bin" / "pip", "install", "-q", "uv"], **quiet).returncode:
            print("uv is not to be had here: installing with pip, which takes longer")
            shutil.rmtree(home, ignore_errors=True)
            return None
    return uv


def tools(name: str, python: Python, *packages: str) -> Path:
    """The folder of programs of an environment below build/ with these packages, which is made once for each set of them."""
    home = ROOT / "build" / name
    wanted = home / "packages"
    if not wanted.exists() or wanted.read_text() != " ".join(packages):
        run([python.path, "-m", "venv", home])
        run([home / "bin" / "pip", "install", "-q", *packages])
        wanted.write_text(" ".join(packages))
    return home / "bin"


def fingerprint(paths, *extra):
    """Changes when a file below paths, or one of the extra words, changes."""
    digest = hashlib.sha256(repr(extra).encode())
    for path in paths:
        path = ROOT / path
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            if file.suffix in NOT_INPUTS or "__pycache__" in file.parts or "egg-info" in str(file):
                continue
            if file.parent.name == "_bin" and not file.suffix:
                continue  # the program that an editable install builds in place
            digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def copy_of_product(home: Path):
    """A tree to install from in which nothing was built before: setuptools packs whatever lies in build/lib."""
    for path in [*PRODUCT_INPUTS, "README.md", "LICENSE", "LICENSES.md"]:
        source, target = ROOT / path, home / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info", "rubinprof-analyze"))
        else:
            shutil.copy2(source, target)
    return home


def compiler_cache():
    """Variables that put ccache before the compiler where it is installed: nine of ten C files are the same for every CPython."""
    found = [folder for folder in ("/usr/lib/ccache", "/usr/lib64/ccache") if os.path.isdir(folder)]
    if not found:
        return {}
    return {"PATH": os.pathsep.join([*found, os.environ["PATH"]]), "CCACHE_DIR": os.environ.get("CCACHE_DIR", str(ROOT / "build" / "ccache"))}


class Environment:
    """One virtual environment: `python`, and what has been installed into it."""

    def __init__(self, home: Path, base: Python, uv):
        self.home, self.base, self.uv = home, base, uv
        self.python = home / "bin" / "python"

    def create(self):
        """Makes the environment unless it is there already, for the same interpreter."""
        if self._fresh("base", self.base.path + self.base.full) and self.python.exists():
            return
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.parent.mkdir(exist_ok=True)
        if self.uv:
            run([self.uv, "venv", "-q", "--seed", "--python", self.base.path, self.home])
        else:
            run([self.base.path, "-m", "venv", self.home])
        self._stamp("base", self.base.path + self.base.full)

    def install_requirements(self, *files):
        """Installs what these requirement files name; files that do not exist yet are passed over."""
        files = [f for f in files if (ROOT / f).exists()]
        wanted = fingerprint(files)
        if not files or self._fresh("requirements", wanted):
            return
        self._install([option for f in files for option in ("-r", ROOT / f)])
        self._stamp("requirements", wanted)

    def install_rubinprof(self, *, werror=False, editable=False):
        wanted = fingerprint(PRODUCT_INPUTS, werror, editable)
        if self._fresh("rubinprof", wanted):
            return
        what = ["-e", ROOT] if editable else [ROOT]
        # "reinstall" makes uv build again although the version number is the same.
        force = ["--reinstall-package", "rubinprof"] if self.uv else ["--force-reinstall"]
        with build_lock():
            self._install(["--no-deps", *force, *what], RUBINPROF_WERROR="1" if werror else "0", **compiler_cache())
        for pth in PTHS if editable else []:
            shutil.copy2(pth, self.site_packages())  # an editable install puts nothing at the root itself
        self._stamp("rubinprof", wanted)

    def site_packages(self) -> Path:
        ask = [self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        return Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())

    def try_to_install(self, *what):
        """Its exit status; nothing is said."""
        return subprocess.run([*map(str, self._installer()), *what], cwd=ROOT, capture_output=True).returncode

    def _install(self, what, **variables):
        run([*self._installer(), *what], **variables)

    def _installer(self):
        if self.uv:
            return [self.uv, "pip", "install", "-q", "--python", self.python]
        return [self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]

    def _fresh(self, name, value):
        stamp = self.home / f".stamp-{name}"
        return stamp.exists() and stamp.read_text() == value

    def _stamp(self, name, value):
        (self.home / f".stamp-{name}").write_text(value)


def run(command, **variables):
    """Runs a command and leaves with its exit status when it fails."""
    done = subprocess.run([str(word) for word in command], cwd=ROOT, env={**os.environ, **variables})
    if done.returncode:
        print(f"failed: {' '.join(map(str, command))}", file=sys.stderr)
        sys.exit(1)
