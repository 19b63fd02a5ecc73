"""`make wheels`: dist/*.whl for Linux machines with glibc 2.34 or newer (AlmaLinux 9), one for each CPython of this machine. ARGS names others: `aarch64`
(wheels_aarch64.py) and `reading` (wheels_reading.py: the analysis half for macOS and Windows); `make wheels ARGS="native aarch64 reading"` makes all.

The C libraries are inside. LZ4, zstd and liburing are linked statically and hidden. libdw and libelf are LGPL: they stay shared
libraries under names of their own beside the modules, loaded for the modules alone. Every wheel is checked for the glibc it asks for and for what it
exports, then installed into an empty environment and used.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cbuild
import debian_source
import environment
import fetch_python
import wheel_libraries
import wheel_tree
import wheels_aarch64
import wheels_reading
from environment import ROOT

PLATFORM = "manylinux_2_34_x86_64"
# Said by the wheel in an empty environment: nothing of the bundled libraries may be visible to the program.
TRIAL = """
import ctypes, subprocess, sys, rubinprof
with rubinprof.Tracker("t.rprof") as tracker:
    [bytearray(100_000) for _ in range(100)]
stats = tracker.stats()
assert stats["complete"] and stats["allocations"] >= 100 and stats["samples"] >= 0, stats
program = ctypes.CDLL(None)
for name in ("dwarf_begin_elf", "elf_begin", "LZ4_compress_default", "ZSTD_compress", "io_uring_queue_init"):
    assert not hasattr(program, name), f"{name} of a bundled library is visible to the program"
print("  works in an empty environment, writer:", stats["writer"])
"""


def main(words=()):
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    if unknown := [word for word in words if word not in MAKERS]:
        sys.exit(f"make wheels does not know {', '.join(unknown)}: {', '.join(MAKERS)}")
    for word in words or ["native"]:
        MAKERS[word](dist)
    return 0


def native(dist):
    """Those of this machine, whole."""
    pythons = environment.pythons()
    environment.system_deps("--for-wheels", "--python", pythons[0].path)
    tools = wheel_tree.tools(pythons[0])
    wheel_libraries.build()
    libraries = wheel_libraries.PREFIX / "lib"
    for python in pythons:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            tree = wheel_tree.build(python, tools, directory, PKG_CONFIG_PATH=str(libraries / "pkgconfig"), LD_LIBRARY_PATH=str(libraries))
            wheel_tree.add_licences(tree)
            wheel = wheel_tree.repair(wheel_tree.pack(tree, tools, directory / "packed"), tools, PLATFORM, dist, libraries)
            wheel_tree.check(wheel, directory / "checked")
            try_it(wheel, python, directory)


def try_it(wheel, python, directory):
    home = directory / "venv"
    subprocess.run([python.path, "-m", "venv", home], check=True)
    subprocess.run([home / "bin" / "pip", "install", "-q", "--no-deps", wheel], check=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LD_"))}
    subprocess.run([home / "bin" / "python", ROOT / "ci" / "check_exports.py"], check=True, env=env, cwd=directory)
    subprocess.run([home / "bin" / "python", "-c", TRIAL], check=True, env=env, cwd=directory)
    for command in (["rubinprof-analyze", "verify"], ["rubinprof", "stats"]):
        subprocess.run([home / "bin" / command[0], *command[1:], "t.rprof"], check=True, env=env, cwd=directory, stdout=subprocess.DEVNULL)


MAKERS = {"native": native, "aarch64": wheels_aarch64.main, "reading": wheels_reading.main}

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (cbuild.BuildError, debian_source.NoSource, fetch_python.NoPython) as error:
        sys.exit(str(error))
