"""Builds counted_c and counted_cpp for the running Python, once per interpreter and source state.

    python tests/extensions/build.py      prints the directory to put on sys.path
"""

import hashlib
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def build() -> Path:
    """The directory with both extensions in it."""
    sources = sorted(p for p in HERE.iterdir() if p.suffix in {".c", ".cpp", ".py"})
    words = b"".join(p.read_bytes() for p in sources) + sysconfig.get_config_var("EXT_SUFFIX").encode()
    target = ROOT / "build" / "test-extensions" / hashlib.sha256(words).hexdigest()[:16]
    if (target / "done").exists():
        return target
    work = target.with_suffix(f".{os.getpid()}")  # two workers may build at once: the last one to rename wins
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", work, "--build-temp", work / "temp"],
        cwd=HERE,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    (work / "done").touch()
    try:
        work.rename(target)
    except OSError:
        pass
    return target


if __name__ == "__main__":
    print(build())
