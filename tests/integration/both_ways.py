"""Runs a program untraced and traced, which must come to the same."""

import os
import re
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"


def both(cwd, source, *options, environment=None, status=None):
    """What the program printed, the same traced and not; and the traces. With the exit status given, if any."""
    (cwd / "program.py").write_text(source)
    (cwd / "traces").mkdir()
    results = []
    for prefix in ([], ["-m", "rubinprof", "run", "-o", "traces", "--pymalloc", *options]):
        done = subprocess.run([sys.executable, *prefix, "program.py"], cwd=cwd, env={**os.environ, **(environment or {})},
                              capture_output=True, text=True, timeout=120)  # fmt: skip
        # A crash report names threads by address, and the extension modules that are loaded: ours among them.
        said = re.sub("0x[0-9a-f]+|\n\nExtension modules: rubinprof._capture .*", "", done.stderr)
        results.append((done.returncode, done.stdout, said))
    assert results[1] == results[0]
    assert status is None or results[0][0] == status
    return results[0][1], sorted((cwd / "traces").iterdir())


def with_helper(libraries, source):
    return f"import ctypes\nLIBRARIES = {str(libraries)!r}\nc = ctypes.CDLL(LIBRARIES + '/libhelper.so')\n{source}"
