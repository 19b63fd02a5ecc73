"""Builds C without setuptools: rubinprof-analyze as a plain program, and the C unit tests.

    cbuild.py analyze [--sanitize address|thread]     build/rubinprof-analyze
    cbuild.py cunit   [--sanitize address|thread] [WORD…]   builds and runs tests/cunit, or the paths that contain a WORD

tests/cunit/conftest.py uses the same functions to collect the C tests into pytest. Every object remembers
the headers it was made from (-MMD), so only what changed is compiled again.
"""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import csources
from csources import ROOT

CUNIT = ROOT / "tests" / "cunit"
CAPTURE_ONLY_ROOMS = {"record", "sink", "session", *csources.PROBE_ROOMS}
SKIPPED = 77
TEST_SECONDS_MAX = {"": 120, "address": 600, "thread": 600}  # by sanitizer: instrumented programs take several times as long

SANITIZERS = {
    "": [],
    "address": ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"],
    "thread": ["-fsanitize=thread", "-fno-omit-frame-pointer"],
}
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}


class BuildError(Exception):
    """str() is what the compiler said."""


class Build:
    """One flavour (plain, address, thread) with its own directory of objects."""

    def __init__(self, sanitize=""):
        self.cc = os.environ.get("CC", "cc")
        self.flags = csources.COMMON_FLAGS + csources.warning_flags() + SANITIZERS[sanitize]
        self.flags += [f"-I{d}" for d in csources.INCLUDE_DIRS] + [f'-DRUBINPROF_VERSION="{csources.version()}"']
        self.directory = ROOT / "build" / f"c-{sanitize or 'plain'}"
        self.sanitize = sanitize
        self._archives = {}

    @contextlib.contextmanager
    def lock(self):
        """Several pytest workers may want the same object at the same time."""
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            import fcntl
        except ImportError:  # Windows: no xdist there, hence no rival
            yield
            return
        with open(self.directory / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def objects(self, sources, extra_flags=()):
        with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
            return list(pool.map(lambda source: self._object(source, list(extra_flags)), sources))

    def _object(self, source, extra_flags):
        obj = self.directory / Path(source).with_suffix(".o")
        words = [self.cc, *self.flags, *extra_flags]
        if not _is_fresh(obj, words):
            obj.parent.mkdir(parents=True, exist_ok=True)
            run_tool([*words, "-MMD", "-c", source, "-o", obj])
            obj.with_suffix(".cmd").write_text(repr(words))
        return obj

    def archive(self, name, sources, extra_flags=()):
        """A static archive of these sources; made once a process."""
        if name not in self._archives:
            archive = self.directory / f"lib{name}.a"
            objects = self.objects(sources, extra_flags)
            archive.unlink(missing_ok=True)
            run_tool(["ar", "rcs", archive, *objects])
            self._archives[name] = archive
        return self._archives[name]

    def capture_archive(self):
        return self.archive("capture", csources.sources(csources.PYTHONLESS_CAPTURE_ROOMS))

    def probes_archive(self):
        """What of the probes needs no Python; a program that uses it has wrappers for the rest (tests/cunit/probe_bed.h)."""
        return self.archive("probes", csources.pythonless_probes(), csources.CAPTURE_FLAGS)

    def analyze_program(self, target):
        _, libraries = csources.pkg_config(csources.PORTABLE_LIBRARIES)
        with self.lock():
            objects = self.objects([*csources.sources(csources.PORTABLE_ROOMS), "csrc/tool/rubinprof_analyze.c"])
            return self._link(target, objects, libraries)

    def unit_test(self, source: Path):
        """Builds one program of tests/cunit/<room>/ and returns its path."""
        room, wishes = source.parent.name, Wishes(source)
        archives, packages = [], list(csources.PORTABLE_LIBRARIES)
        with self.lock():
            if room in CAPTURE_ONLY_ROOMS:
                archives.append(self.capture_archive())
                packages.append("liburing")
            if room in csources.PROBE_ROOMS:
                archives.append(self.probes_archive())
            archives.append(self.archive("portable", csources.sources(csources.PORTABLE_ROOMS)))
            cflags, libraries = csources.pkg_config(list(dict.fromkeys(packages + wishes.libraries)))
            if wishes.python:
                cflags.append(f"-I{sysconfig.get_path('include')}")
            name = source.resolve().relative_to(ROOT)
            objects = self.objects([str(name), *wishes.sources], cflags + wishes.flags)
            return self._link(self.directory / name.with_suffix(""), [*objects, *archives], [*libraries, "-pthread", "-ldl", "-lm"])

    def _link(self, target, objects, libraries):
        target.parent.mkdir(parents=True, exist_ok=True)
        # A group: archives of the two halves may need each other in either order.
        group = ["-Wl,--start-group", *objects, "-Wl,--end-group"] if sys.platform == "linux" else objects
        run_tool([self.cc, *SANITIZERS[self.sanitize], "-o", target, *group, *libraries])
        return target


class Wishes:
    """What a test asks of the build, in a comment line of its own:

    rp-test: sources=csrc/cpu/cpu_sample.c libraries=libdw,libelf python=1 flags=-DX=1

    The sources are compiled with these flags, and take the place of what the archives of the rooms have.
    """

    def __init__(self, source: Path):
        found = re.search(r"rp-test:\s*(.*?)\s*(?:\*/)?$", source.read_text(encoding="utf-8"), re.M)
        wishes = dict(word.split("=", 1) for word in found.group(1).split()) if found else {}
        self.sources = _list(wishes, "sources")
        self.libraries = _list(wishes, "libraries")
        self.flags = _list(wishes, "flags")
        self.python = wishes.get("python") == "1"


def _list(wishes, key):
    return [word for word in wishes.get(key, "").split(",") if word]


def _is_fresh(obj: Path, words):
    command, depfile = obj.with_suffix(".cmd"), obj.with_suffix(".d")
    if not (obj.exists() and command.exists() and depfile.exists()) or command.read_text() != repr(words):
        return False
    needed = depfile.read_text().split(":", 1)[1].replace("\\\n", " ").split()
    made = obj.stat().st_mtime_ns
    return all((ROOT / n).exists() and (ROOT / n).stat().st_mtime_ns < made for n in needed)


def run_tool(command):
    done = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(done.stderr.strip() or f"{command[0]} failed with status {done.returncode}")
    if done.stderr:
        print(done.stderr, file=sys.stderr)


def run_unit_test(program: Path, directory: Path, sanitize=""):
    """Runs one test program in an empty directory; returns (exit status, all it printed)."""
    try:
        done = subprocess.run(
            [str(program)],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TEST_SECONDS_MAX[sanitize],
            env={**SANITIZER_OPTIONS, **os.environ},
        )
    except subprocess.TimeoutExpired as expired:
        said = (expired.stdout or b"").decode(errors="replace")
        return 1, said + f"\nstopped after {TEST_SECONDS_MAX[sanitize]} s"
    return done.returncode, done.stdout


def cunit(options):
    """Runs the C unit tests without pytest, so that a sanitizer run needs no Python package."""
    import tempfile

    build = Build(options.sanitize)
    if (ROOT / "csrc/tool/rubinprof_analyze.c").exists():
        print(build.analyze_program(build.directory / "rubinprof-analyze"))
    sources = sorted(CUNIT.glob("*/test_*.c"))
    if sys.platform != "linux":
        sources = [s for s in sources if s.parent.name not in CAPTURE_ONLY_ROOMS]
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for source in sources:
        name = str(source.relative_to(CUNIT))
        if options.words and not any(word in name for word in options.words):
            continue
        try:
            with tempfile.TemporaryDirectory() as directory:
                status, said = run_unit_test(build.unit_test(source), Path(directory), options.sanitize)
        except BuildError as error:
            status, said = 1, str(error)
        verdict = {0: "passed", SKIPPED: "skipped"}.get(status, "failed")
        counts[verdict] += 1
        print(f"{verdict:<8} {name}" + (f"\n{said}" if verdict != "passed" else ""), flush=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if counts["failed"] else 0


def analyze(options):
    build = Build(options.sanitize)
    name = "rubinprof-analyze" + (f"-{options.sanitize}" if options.sanitize else "")
    print(build.analyze_program(ROOT / "build" / name).relative_to(ROOT))
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["analyze", "cunit"])
    parser.add_argument("--sanitize", choices=["address", "thread"], default="")
    parser.add_argument("words", nargs="*")
    options = parser.parse_intermixed_args()
    try:
        return analyze(options) if options.what == "analyze" else cunit(options)
    except (BuildError, csources.MissingLibrary) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
