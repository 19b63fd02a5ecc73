"""The built extension modules export their PyInit_ function and nothing else: a stray name of ours, or of a library
linked statically, would stand in the way of the traced program's own. Checks the modules of the Python that runs it.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

MODULES = ["_analyze"] + (["_capture"] if sys.platform == "linux" else [])


def exported_names(path: Path):
    listing = subprocess.run(["nm", "-D", "--defined-only", path], check=True, capture_output=True, text=True)
    return sorted(line.split()[-1].split("@")[0] for line in listing.stdout.splitlines())


def main():
    if sys.platform != "linux" or not shutil.which("nm"):
        print("exports: not checked here (needs nm, on Linux)")
        return 0
    good = True
    for module in MODULES:
        name = f"{module}{sysconfig.get_config_var('EXT_SUFFIX')}"
        path = Path(sysconfig.get_path("platlib")) / "rubinprof" / name
        if not path.exists():
            print(f"exports: {path} was not installed")
            good = False
            continue
        extra = [n for n in exported_names(path) if n != f"PyInit_{module}"]
        if extra:
            print(f"exports: {name} exports what it should hide: {', '.join(extra)}")
            good = False
    if good:
        print(f"exports: only PyInit_* is visible (CPython {sys.version.split()[0]})")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
