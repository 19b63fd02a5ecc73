"""`make fuzz`: each tests/fuzz/fuzz_*.c against the portable rooms, with libFuzzer and the sanitizers (needs clang).

New inputs are collected under build/fuzz/; tests/fuzz/corpus/<target>/ is what is kept and replayed in ordinary runs. `--minimize` adds to it
the new inputs that reach code the kept ones do not.
"""

import argparse
import os
import subprocess
import sys
import tempfile

import cbuild
import csources
from csources import ROOT

CRASH_FREE = 0
INPUT_BYTES_MAX = 1 << 16  # more only makes the fuzzer slow; the seeds are a tenth of it
KEPT_BYTES_MAX = 1 << 13


def build(source):
    build = cbuild.Build("address")
    build.cc = os.environ.get("CC", "clang")
    build.flags.append("-fsanitize=fuzzer-no-link")
    build.directory = ROOT / "build" / "c-fuzz"
    _, libraries = csources.pkg_config(csources.PORTABLE_LIBRARIES)
    objects = build.objects([*csources.sources(csources.PORTABLE_ROOMS), str(source.relative_to(ROOT))])
    program = build.directory / source.stem
    cbuild.run_tool([build.cc, "-fsanitize=fuzzer,address,undefined", "-o", program, *objects, *libraries])
    return program


def scratch_directory():
    """Targets write each input into a file: in memory where that is to be had."""
    return tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)


def fuzz(source, seconds):
    found = ROOT / "build" / "fuzz" / source.stem
    found.mkdir(parents=True, exist_ok=True)
    kept = ROOT / "tests" / "fuzz" / "corpus" / source.stem
    corpora = [found, *([kept] if kept.exists() else [])]
    limits = [f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}", "-timeout=10", "-print_final_stats=1"]
    program = build(source)
    before = cpu_seconds()
    with scratch_directory() as directory:
        status = subprocess.run([program, *limits, f"-artifact_prefix={found}/", *corpora], cwd=directory).returncode
    print(f"{source.stem}: {cpu_seconds() - before:.0f} CPU seconds", flush=True)
    return status


def cpu_seconds():
    """Of all children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def minimize(source):
    kept = ROOT / "tests" / "fuzz" / "corpus" / source.stem
    with scratch_directory() as directory:
        command = [build(source), "-merge=1", f"-max_len={KEPT_BYTES_MAX}", kept, ROOT / "build" / "fuzz" / source.stem]
        return subprocess.run(command, cwd=directory).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="per target")
    parser.add_argument("--minimize", action="store_true", help="do not fuzz: keep what was found")
    parser.add_argument("targets", nargs="*", help="words that a target's name contains; all targets without")
    options = parser.parse_args()
    sources = sorted((ROOT / "tests" / "fuzz").glob("fuzz_*.c"))
    sources = [s for s in sources if not options.targets or any(t in s.stem for t in options.targets)]
    if not sources:
        print("make fuzz: no such target in tests/fuzz/", file=sys.stderr)
        return 2
    try:
        run = minimize if options.minimize else lambda source: fuzz(source, options.seconds)
        crashed = [s.stem for s in sources if run(s) != CRASH_FREE]
    except (cbuild.BuildError, csources.MissingLibrary, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(sources) - len(crashed)} passed, {len(crashed)} failed")
    return 1 if crashed else 0


if __name__ == "__main__":
    sys.exit(main())
