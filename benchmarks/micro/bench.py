"""Builds and runs the C programs of this directory: what single steps of the tracer cost, without Python around them.

    python benchmarks/micro/bench.py [WORD…]      all, or those whose name contains a WORD

What a program needs besides is in its rp-test line, as for the C unit tests.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "ci"))
import cbuild  # noqa: E402
import csources  # noqa: E402


def program(build, source):
    wishes = cbuild.Wishes(source)
    with build.lock():
        archives = [build.probes_archive(), build.capture_archive(), build.archive("portable", csources.sources(csources.PORTABLE_ROOMS))]
        cflags, libraries = csources.pkg_config([*csources.PORTABLE_LIBRARIES, "liburing", *wishes.libraries])
        name = source.relative_to(csources.ROOT)
        objects = build.objects([str(name), *wishes.sources], cflags + wishes.flags)
        return build._link(build.directory / name.with_suffix(""), [*objects, *archives], [*libraries, "-pthread", "-ldl"])


def main(words):
    build = cbuild.Build()
    for source in sorted(HERE.glob("*.c")):
        if words and not any(word in source.stem for word in words):
            continue
        target = program(build, source)
        print(f"-- {source.stem}", flush=True)
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run([str(target)], cwd=directory, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
