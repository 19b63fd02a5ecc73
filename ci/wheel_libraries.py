"""The C libraries that a wheel brings: LZ4, zstd and liburing as archives, elfutils shared, from the sources of Debian's packages.

elfutils unpacks with zlib alone (debug sections, where compressed).
"""

import os
import shutil
import subprocess
import sys

import debian_source
from environment import ROOT

# library -> the licence texts that have to go with it
LICENCES = {
    "lz4": ["lib/LICENSE"],
    "libzstd": ["LICENSE"],
    "liburing": ["LICENSE"],
    "elfutils": ["COPYING-LGPLV3", "COPYING"],
}
FLAGS = "-O2 -g -fPIC -fvisibility=hidden"


PREFIX = ROOT / "build" / "wheel-libraries"


def build():
    """Builds all of them for this machine, below PREFIX, unless they are there."""
    if (PREFIX / "done").exists():
        return
    shutil.rmtree(PREFIX, ignore_errors=True)
    jobs, flags = f"-j{os.cpu_count()}", f"CFLAGS={FLAGS}"
    lz4, zstd, uring, elf = (_copy_of(name) for name in LICENCES)
    make("lz4", lz4 / "lib", ["make", jobs, "install", f"PREFIX={PREFIX}", flags, "BUILD_SHARED=no"])
    for target in ("install-static", "install-includes", "install-pc"):
        make("zstd", zstd / "lib", ["make", jobs, target, f"PREFIX={PREFIX}", flags, "ZSTD_LEGACY_SUPPORT=0"])
    make("liburing", uring, ["./configure", f"--prefix={PREFIX}"])
    make("liburing", uring, ["make", jobs, "install", flags, "ENABLE_SHARED=0", f"prefix={PREFIX}"])
    without = [f"--without-{what}" for what in ("bzlib", "lzma", "zstd")]
    without += ["--disable-debuginfod", "--disable-libdebuginfod", "--disable-nls"]
    make("elfutils", elf, ["./configure", f"--prefix={PREFIX}", *without, "CFLAGS=-O2 -g -Wno-error"])
    for part in ("config", "lib", "libelf", "libcpu", "backends", "libebl", "libdwelf", "libdwfl", "libdw"):
        make("elfutils", elf, ["make", jobs, "-C", part])
    for part in ("config", "libelf", "libdw"):
        make("elfutils", elf, ["make", "-C", part, "install"])
    (PREFIX / "done").touch()


def _copy_of(package):
    """A tree to build in; the fetched one stays as it is."""
    home = ROOT / "build" / "wheel-build" / package
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(debian_source.fetch(package), home, symlinks=True)
    return home


def make(package, directory, command):
    print(f"{package}: {' '.join(str(word) for word in command[:4])}", flush=True)
    done = subprocess.run(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{package} could not be built:\n" + "\n".join(done.stdout.splitlines()[-20:]))
