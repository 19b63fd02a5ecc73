"""CPythons newer than this machine's, of Debian's sid, in a folder beside the system: what `make check` cannot fetch, and where `make soak` runs them.

    python ci/debian_sid.py                   their choice of tests (SOME of check.py) on each, with and without the JIT where there is one
    python ci/debian_sid.py COMMAND…          a command there, in this tree

The folder is made at the first need, by mmdebstrap as root (five minutes, 0.8 GB): ${XDG_CACHE_HOME:-~/.cache}/rubinprof-tests/debian-sid, or
RUBINPROF_SID. This tree lies there at its own path, but build/ and .venvs/ are others. Nothing of it stays mounted.
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import check
import environment
import fetch_python
from environment import ROOT

MINORS = ["3.14", "3.15"]
HOME = Path(os.environ.get("RUBINPROF_SID") or fetch_python.CACHE / "debian-sid")
MIRROR = "http://deb.debian.org/debian"
PACKAGES = [f"{name.format(minor)}" for minor in MINORS for name in ("python{}-dev", "python{}-venv", "libpython{}-testsuite")]
PACKAGES += ["gcc", "g++", "make", "cmake", "pkg-config", "ccache", "gdb", "git", "binutils", "ca-certificates"]
PACKAGES += ["liburing-dev", "libdw-dev", "liblz4-dev", "libzstd-dev", "libunwind-dev"]
INSIDE = "RUBINPROF_INSIDE_SID"
OF_ITS_OWN = ["build", ".venvs"]  # they are of another libc
# What this machine reaches the network by, and its devices. Without /sys the clock falls back.
SHARED = ["/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt"]
TREES = ["/proc", "/sys", "/dev"]


class NoSid(Exception):
    """str() is why not, as the end of a sentence."""


def make():
    """Makes the folder unless it is there. NoSid."""
    if (HOME / "made").exists():
        return
    if platform.machine() != "x86_64" or not shutil.which("mmdebstrap"):
        raise NoSid("mmdebstrap is not here (apt-get install mmdebstrap)")
    if os.geteuid():
        raise NoSid("only root may make it and enter it")
    print(f"making {HOME} with CPython {' and '.join(MINORS)} of Debian's sid (five minutes)", file=sys.stderr, flush=True)
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.parent.mkdir(parents=True, exist_ok=True)
    options = ["--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}", '--aptopt=Acquire::Check-Valid-Until "false"']  # a mirror may be of one day
    if subprocess.run(["mmdebstrap", *options, "sid", HOME, MIRROR]).returncode:
        raise NoSid("mmdebstrap did not make it")
    (HOME / "made").touch()


def run(command, **variables):
    """Runs a command in the folder, in this tree, and returns its exit status. NoSid."""
    make()
    mounts = [("--rbind", Path(tree), tree) for tree in TREES]
    mounts += [("--bind", Path(file), file) for file in SHARED if Path(file).exists()]
    mounts.append(("--bind", ROOT, str(ROOT)))
    for name in OF_ITS_OWN:
        (ROOT / name).mkdir(exist_ok=True)
        own = HOME / "own" / str(ROOT).replace("/", "_") / name
        own.mkdir(parents=True, exist_ok=True)
        mounts.append(("--bind", own, str(ROOT / name)))
    lines = ["set -e"]
    for how, source, target in mounts:
        there = HOME / target.lstrip("/")
        if source.is_dir():
            there.mkdir(parents=True, exist_ok=True)
        elif not there.exists():
            there.unlink(missing_ok=True)
            there.touch()
        lines.append(shlex.join(["mount", how, str(source), str(there)]))
    given = {INSIDE: "1", "HOME": "/root", "PATH": "/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "CCACHE_DIR": str(ROOT / "build" / "ccache"), **variables}
    given |= {name: value for name, value in os.environ.items() if name.startswith(("SSL_CERT", "PIP_C", "PIP_I", "RUBINPROF_", "PYTHON_JIT"))}
    lines.append(shlex.join(["exec", "chroot", str(HOME), "env", "-i", "-C", str(ROOT), *(f"{name}={value}" for name, value in given.items()), *map(str, command)]))
    return subprocess.run(["unshare", "--mount", "sh", "-c", "\n".join(lines)]).returncode


def is_inside():
    return INSIDE in os.environ


def install_what_there_is(env, *files):
    """The packages of these requirement files; where not all have a build for this Python or can be built here, each that has, and the others are named."""
    if not files or not env.try_to_install(*(word for file in files for word in ("-r", file))):
        return
    for line in (line.split("#")[0].strip() for file in files for line in (ROOT / file).read_text().splitlines()):
        if line and env.try_to_install(line):
            print(f"CPython {env.base.minor} goes without {line}", flush=True)


def tests(words):
    """What runs inside: the tests of check.SOME on each Python."""
    wrong = 0
    pythons = environment.pythons()
    for base in pythons:
        env = environment.Environment(environment.VENVS / base.minor, base, environment.fetch_uv(pythons[0]))
        env.create()
        install_what_there_is(env, *check.SOME_REQUIREMENTS)
        env.install_rubinprof(werror=True)
        asks = [env.python, "-c", "import sys; print(int(sys._jit.is_available()))"]
        has_jit = subprocess.run(asks, capture_output=True, text=True).stdout.strip() == "1"
        for jit in ("0", "1") if has_jit else ("0",):
            print(f"\n=== CPython {env.base.full}, PYTHON_JIT={jit} ===", flush=True)
            command = [env.python, "-m", "pytest", "-q", f"--timeout={check.TEST_SECONDS_MAX}", "-n", "2", "-p", "no:cacheprovider", *(words or check.SOME)]
            wrong += bool(subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHON_JIT": jit}).returncode)
    return 1 if wrong else 0


def main(words):
    if words[:1] == ["--inside"]:
        return tests(words[1:])
    if words and not words[0].startswith(("-", "tests/")):
        return run(words)
    return run(["python" + MINORS[-1], "ci/debian_sid.py", "--inside", *words])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except NoSid as reason:
        sys.exit(f"no CPython {' and '.join(MINORS)} of Debian's sid: {reason}")
