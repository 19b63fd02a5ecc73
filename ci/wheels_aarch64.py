"""Wheels for Linux aarch64, glibc 2.34 or newer, one for each CPython of this machine: compiled by zig, opened, and used under qemu-user.

LZ4, zstd, liburing and elfutils are Debian's shared libraries for arm64, which ask for no newer glibc; they lie beside the modules under names of their own.
Headers are those of this machine's CPython. Its pyconfig.h is told what is otherwise on aarch64 (PYCONFIG). The wheel of CPython 3.11 is installed by pip for that
platform and traces a program of known answers under Debian's arm64 CPython 3.11, as `make check-aarch64` does; the others are built and opened.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import aarch64
import cbuild
import csources
import environment
import wheel_tree
import zig
from environment import ROOT

TARGET = "aarch64-linux-gnu.2.34"
PLATFORM = "manylinux_2_34_aarch64"
HOME = ROOT / "build" / "wheels-aarch64"
LIBRARIES = ["liblz4.so.1", "libzstd.so.1", "liburing.so.2", "libdw.so.1", "libelf.so.1", "liblzma.so.5", "libbz2.so.1.0"]
PACKAGES = ["liblz4-1", "libzstd1", "liburing2", "libdw1", "libelf1", "liblzma5", "libbz2-1.0"]
PYCONFIG = """/* CPython's pyconfig.h of x86-64, and what is otherwise on aarch64. */
#include "%s"
#undef HAVE_GCC_ASM_FOR_X64
#undef HAVE_GCC_ASM_FOR_X87
#undef HAVE_USABLE_WCHAR_T
"""


def main(dist):
    pythons = environment.pythons()
    environment.system_deps("--for-wheels", "--python", pythons[0].path)
    environment.system_deps("--for-cross", "--python", pythons[0].path)
    tools, root = wheel_tree.tools(pythons[0]), aarch64.unpack()
    include, lib = aarch64.headers(root), libraries(root)
    with tempfile.TemporaryDirectory() as name:
        tree = wheel_tree.build(pythons[0], tools, Path(name), RUBINPROF_WITHOUT_CAPTURE="1")
        add_licences(tree, root)
        for python in pythons:
            directory = Path(name) / python.minor
            copy = shutil.copytree(tree, directory / tree.name)
            exchange(copy / "rubinprof", python, zig.cc(pythons[0]), root, include, lib)
            tag = f"cp{python.minor.replace('.', '')}"
            packed = wheel_tree.pack(copy, tools, directory / "packed", python=tag, abi=tag, platform="linux_aarch64")
            wheel = wheel_tree.repair(packed, tools, "auto", dist, lib)
            if PLATFORM not in wheel.name:
                sys.exit(f"{wheel.name} is not for {PLATFORM}")
            wheel_tree.check(wheel, directory / "checked")
            if python.minor == aarch64.MINOR:
                try_it(wheel, python, root)


def libraries(root):
    """A folder with the shared libraries that are linked, and those that they need and manylinux does not have."""
    home = HOME / "lib"
    home.mkdir(parents=True, exist_ok=True)
    for name in LIBRARIES:
        (found,) = {path.resolve() for place in ("usr/lib", "lib") for path in root.glob(f"{place}/aarch64-linux-gnu/{name}")}
        shutil.copy2(found, home / name)
    return home


def add_licences(tree, root):
    """What Debian's packages say of the libraries."""
    (home,) = tree.glob("*.dist-info/licenses")
    for package in PACKAGES:
        shutil.copy2(root / "usr" / "share" / "doc" / package / "copyright", home / f"{package}-copyright")


def exchange(package, python, command, root, headers, lib):
    """The two modules and the program of this Python on aarch64, instead of those of this machine."""
    for old in package.glob("_analyze*.so"):
        old.unlink()
    ask = "import sysconfig as s; print(s.get_path('include'), s.get_config_h_filename())"
    include, config = subprocess.run([python.path, "-c", ask], check=True, capture_output=True, text=True).stdout.split()
    overlay = HOME / f"include-{python.minor}"
    overlay.mkdir(parents=True, exist_ok=True)
    if not (overlay / "pyconfig.h").exists():
        (overlay / "pyconfig.h").write_text(PYCONFIG % config)
    flags = ["-target", TARGET, *zig.FLAGS, "-fPIC", *csources.CAPTURE_FLAGS, f"-I{headers}", "-isystem", overlay, "-isystem", include]
    home, packers = HOME / f"objects-{python.full}", [lib / "liblz4.so.1", lib / "libzstd.so.1"]
    needed = {"_analyze": packers, "_capture": [*packers, lib / "liburing.so.2", lib / "libdw.so.1", lib / "libelf.so.1"]}
    needed["_capture"].append(root / "lib" / "aarch64-linux-gnu" / "libgcc_s.so.1")  # where clang's own runtime has no personality of C
    link = [*command, "-target", TARGET]
    for name, with_these in needed.items():
        objects = compile_all(command, csources.module_sources(name, "linux"), flags, home)
        module = package / f"{name}.cpython-{python.minor.replace('.', '')}-aarch64-linux-gnu.so"
        hide = f"-Wl,--version-script={ROOT / 'csrc/ext/exports.map'}"
        cbuild.run_tool([*link, "-shared", hide, "-o", module, *objects, *with_these, "-lm"])
    objects = compile_all(command, [*csources.sources(csources.PORTABLE_ROOMS, "linux"), "csrc/tool/rubinprof_analyze.c"], flags, home)
    cbuild.run_tool([*link, "-o", package / "_bin" / "rubinprof-analyze", *objects, *packers, "-lm"])


def compile_all(command, sources, flags, home):
    """Objects; those without CPython's headers are made once for all versions."""
    anybodys = {*csources.sources([*csources.PORTABLE_ROOMS, "record", "sink"], "linux"), *csources.pythonless_probes(), "csrc/tool/rubinprof_analyze.c"}
    shared = zig.objects(command, [source for source in sources if source in anybodys], flags, HOME / "objects")
    return shared + zig.objects(command, [source for source in sources if source not in anybodys], flags, home)


def try_it(wheel, python, root):
    """Installed as pip would there, and used there."""
    home = HOME / "installed"
    shutil.rmtree(home, ignore_errors=True)
    where = ["--platform", PLATFORM, "--python-version", python.minor, "--implementation", "cp", "--only-binary=:all:"]
    subprocess.run([python.path, "-m", "pip", "install", "-q", "--no-deps", "--no-compile", *where, "--target", home, wheel], check=True)
    there = aarch64.Machine([aarch64.EMULATOR, "-L", root, root / "usr" / "bin" / f"python{python.minor}"], home)
    wrong = 0
    for mode in ("exact", "sampled"):
        trace = there.trace(mode, *(["long"] if mode == "sampled" else []))
        said = there.rubinprof("verify", trace)
        wrong += aarch64.tell(said.returncode == 0, f"{mode}: the wheel traces, and verifies what it wrote")
        if mode == "exact":
            calls = aarch64.functions(there, trace, "calls")
            wrong += aarch64.tell(all(calls.get(name) == n for name, n in aarch64.CALLS.items()), "exact: calls are those that are known")
    analyze = [aarch64.EMULATOR, "-L", root, home / "rubinprof" / "_bin" / "rubinprof-analyze", "verify", trace]
    wrong += aarch64.tell(subprocess.run(analyze, stdout=subprocess.DEVNULL).returncode == 0, "rubinprof-analyze of the wheel verifies it")
    if wrong:
        sys.exit(f"{wheel.name} does not do on aarch64 what it should")
