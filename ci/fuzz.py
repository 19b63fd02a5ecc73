"""`make fuzz`: each tests/fuzz/fuzz_*.c against the portable rooms, with libFuzzer and the sanitizers (needs clang).

New inputs are collected under build/fuzz/; tests/fuzz/corpus/<target>/ is what is kept and replayed in ordinary runs.
"""

import argparse
import os
import subprocess
import sys

import cbuild
import csources
from csources import ROOT

CRASH_FREE = 0
INPUT_BYTES_MAX = 1 << 20  # more only makes the fuzzer slow: a block is far smaller


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


def fuzz(source, seconds):
    found = ROOT / "build" / "fuzz" / source.stem
    found.mkdir(parents=True, exist_ok=True)
    kept = ROOT / "tests" / "fuzz" / "corpus" / source.stem
    corpora = [found, *([kept] if kept.exists() else [])]
    limits = [f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}", "-timeout=10", "-print_final_stats=1"]
    return subprocess.run([build(source), *limits, f"-artifact_prefix={found}/", *corpora], cwd=ROOT).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="per target")
    parser.add_argument("targets", nargs="*", help="words that a target's name contains; all targets without")
    options = parser.parse_args()
    sources = sorted((ROOT / "tests" / "fuzz").glob("fuzz_*.c"))
    sources = [s for s in sources if not options.targets or any(t in s.stem for t in options.targets)]
    if not sources:
        print("make fuzz: no such target in tests/fuzz/", file=sys.stderr)
        return 2
    try:
        crashed = [s.stem for s in sources if fuzz(s, options.seconds) != CRASH_FREE]
    except (cbuild.BuildError, csources.MissingLibrary, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(sources) - len(crashed)} passed, {len(crashed)} failed")
    return 1 if crashed else 0


if __name__ == "__main__":
    sys.exit(main())
